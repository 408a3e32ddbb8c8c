"""The rows of automations: rules, what sets them going, and what they did."""

from automations.models.doors import WebhookRefusal, WebhookReplay
from automations.models.events import AutomationEvent, AutomationTick, JobEventCursor
from automations.models.firings import Firing, JobLink, Notice
from automations.models.rules import AutomationRule, RuleMemory
from automations.models.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = [
    "AutomationEvent",
    "AutomationRule",
    "AutomationTick",
    "Firing",
    "JobEventCursor",
    "JobLink",
    "Notice",
    "RuleMemory",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookRefusal",
    "WebhookReplay",
]
