"""The addresses below /admin/automations/."""

from django.contrib import admin
from django.urls import path

from automations.admin import deliveries, editor, firings, rules, trying, webhook_changes, webhooks

wrap = admin.site.admin_view
DELIVERY = "webhooks/<uuid:uid>/deliveries/<uuid:delivery>/"

urlpatterns = [
    path("", wrap(rules.list_view), name="automation_rules"),
    path("rules/new/", wrap(editor.new_view), name="automation_rule_new"),
    path("rules/preview/", wrap(editor.preview_view), name="automation_preview"),
    path("rules/try/", wrap(trying.try_view), name="automation_try"),
    path("rules/<uuid:uid>/", wrap(editor.edit_view), name="automation_rule"),
    path("rules/<uuid:uid>/act/", wrap(rules.act_view), name="automation_rule_act"),
    path("firings/", wrap(firings.list_view), name="automation_firings"),
    path("firings/<uuid:uid>/", wrap(firings.firing_view), name="automation_firing"),
    path("webhooks/", wrap(webhooks.list_view), name="automation_webhooks"),
    path("webhooks/new/", wrap(webhook_changes.new_view), name="automation_webhook_new"),
    path("webhooks/<uuid:uid>/", wrap(webhooks.endpoint_view), name="automation_webhook"),
    path("webhooks/<uuid:uid>/act/", wrap(webhook_changes.act_view), name="automation_webhook_act"),
    path(DELIVERY, wrap(deliveries.delivery_view), name="automation_delivery"),
    path(f"{DELIVERY}replay/", wrap(deliveries.replay_view), name="automation_replay"),
]
