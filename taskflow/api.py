"""The map of the REST API, with its OpenAPI document and the page to browse it."""

from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

urlpatterns = [
    path("v1/", include("jobs.api.urls")),
    path("v1/", include("workflows.api")),
    path("v1/", include("tenants.api.urls")),
    path("v1/", include("automations.api.urls")),
    path("v1/schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
]
