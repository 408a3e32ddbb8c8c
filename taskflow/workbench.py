"""The pages of one workflow under /admin/build/SLUG/, each app's own; the template `workflow_tabs.html` links them."""

from django.urls import URLPattern

from jobs.admin import dashboard, trials, versions, views
from workflows.admin import builder, conditions

# A slug is the last that an address is taken for.
urlpatterns: list[URLPattern] = [
    *conditions.urlpatterns,
    *dashboard.urlpatterns,
    *trials.urlpatterns,
    *versions.urlpatterns,
    *views.urlpatterns,
    *builder.urlpatterns,
]
