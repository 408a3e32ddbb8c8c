"""The addresses of automations, below /api/v1/."""

from django.urls import path

from automations.api.deliveries import DeliveriesView, DeliveryView, ReplayView
from automations.api.door import WebhookView
from automations.api.endpoints import AddressView, EndpointsView, EndpointView, PreviousSecretView, RotateView
from automations.api.events import EventsView

ENDPOINT = "webhook-endpoints/<uuid:uid>"
DELIVERY = f"{ENDPOINT}/deliveries/<uuid:delivery>"

urlpatterns = [
    path("events", EventsView.as_view(), name="events"),
    path("events/webhook/<str:key>", WebhookView.as_view(), name="webhook"),
    path("webhook-endpoints", EndpointsView.as_view(), name="webhook-endpoints"),
    path(ENDPOINT, EndpointView.as_view(), name="webhook-endpoint"),
    path(f"{ENDPOINT}/rotate", RotateView.as_view(), name="webhook-rotate"),
    path(f"{ENDPOINT}/previous-secret", PreviousSecretView.as_view(), name="webhook-previous-secret"),
    path(f"{ENDPOINT}/address", AddressView.as_view(), name="webhook-address"),
    path(f"{ENDPOINT}/deliveries", DeliveriesView.as_view(), name="webhook-deliveries"),
    path(DELIVERY, DeliveryView.as_view(), name="webhook-delivery"),
    path(f"{DELIVERY}/replay", ReplayView.as_view(), name="webhook-replay"),
]
