"""The addresses of automations, below /api/v1/."""

from django.urls import path

from automations.api.deliveries import DeliveriesView, DeliveryView, ReplayView
from automations.api.door import WebhookView
from automations.api.endpoints import AddressView, EndpointsView, EndpointView, PreviousSecretView, RotateView
from automations.api.events import EventsView
from automations.api.firings import AutomationsView, FiringsView, FiringView, RetryFiringView, RunView
from automations.api.rules import DisableView, EnableView, RulesView, RuleView, TestView

RULE = "automation-rules/<uuid:uid>"
FIRING = f"{RULE}/firings/<uuid:firing>"
ENDPOINT = "webhook-endpoints/<uuid:uid>"
DELIVERY = f"{ENDPOINT}/deliveries/<uuid:delivery>"

urlpatterns = [
    path("events", EventsView.as_view(), name="events"),
    path("events/webhook/<str:key>", WebhookView.as_view(), name="webhook"),
    path("automation-rules", RulesView.as_view(), name="automation-rules"),
    path(RULE, RuleView.as_view(), name="automation-rule"),
    path(f"{RULE}/enable", EnableView.as_view(), name="automation-rule-enable"),
    path(f"{RULE}/disable", DisableView.as_view(), name="automation-rule-disable"),
    path(f"{RULE}/test", TestView.as_view(), name="automation-rule-test"),
    path(f"{RULE}/run", RunView.as_view(), name="automation-rule-run"),
    path(f"{RULE}/firings", FiringsView.as_view(), name="firings"),
    path(FIRING, FiringView.as_view(), name="firing"),
    path(f"{FIRING}/retry", RetryFiringView.as_view(), name="firing-retry"),
    path("admin/automations", AutomationsView.as_view(), name="admin-automations"),
    path("webhook-endpoints", EndpointsView.as_view(), name="webhook-endpoints"),
    path(ENDPOINT, EndpointView.as_view(), name="webhook-endpoint"),
    path(f"{ENDPOINT}/rotate", RotateView.as_view(), name="webhook-rotate"),
    path(f"{ENDPOINT}/previous-secret", PreviousSecretView.as_view(), name="webhook-previous-secret"),
    path(f"{ENDPOINT}/address", AddressView.as_view(), name="webhook-address"),
    path(f"{ENDPOINT}/deliveries", DeliveriesView.as_view(), name="webhook-deliveries"),
    path(DELIVERY, DeliveryView.as_view(), name="webhook-delivery"),
    path(f"{DELIVERY}/replay", ReplayView.as_view(), name="webhook-replay"),
]
