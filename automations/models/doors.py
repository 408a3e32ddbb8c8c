"""What happened at a webhook's address besides deliveries."""

from django.db import models

from automations.models.webhooks import WebhookDelivery, WebhookEndpoint


class WebhookRefusal(models.Model):
    """How often an address refused a request for one cause, and how it said so last.

    One row for each cause: whoever knows the address can make it count, but not grow. Who holds no secret is not
    believed, so nothing of the request is kept.
    """

    endpoint = models.ForeignKey(WebhookEndpoint, models.CASCADE, related_name="refusals", db_index=False)
    cause = models.CharField(max_length=20)
    count = models.PositiveBigIntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True, default="")
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        ordering = ("-last_at",)
        constraints = (models.UniqueConstraint(fields=("endpoint", "cause"), name="refusal_once"),)

    def __str__(self) -> str:
        return f"{self.cause} ({self.count})"


class WebhookReplay(models.Model):
    """Somebody had a stored delivery told to the rules again; its firings carry the replay's own key."""

    delivery = models.ForeignKey(WebhookDelivery, models.CASCADE, related_name="replays")
    by = models.CharField(max_length=200)
    firings = models.PositiveIntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"replay of {self.delivery_id} by {self.by}"
