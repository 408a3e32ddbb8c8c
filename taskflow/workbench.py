"""The pages of one workflow under /admin/build/SLUG/, each app's own; the template `workflow_tabs.html` links them."""

from django.urls import URLPattern

from jobs.admin import trials, versions

urlpatterns: list[URLPattern] = [*trials.urlpatterns, *versions.urlpatterns]
