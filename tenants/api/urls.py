"""The addresses of the connection endpoints, below /api/v1/."""

from django.urls import path

from tenants.api.connections import ConnectionsView, ConnectionView, TestView

urlpatterns = [
    path("connections", ConnectionsView.as_view(), name="connections"),
    path("connections/<slug:slug>", ConnectionView.as_view(), name="connection"),
    path("connections/<slug:slug>/test", TestView.as_view(), name="connection-test"),
]
