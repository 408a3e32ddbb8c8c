"""Questions about mailboxes."""

from jobs.models import Mailbox

MOST_NAMED = 20


def list_connection_uses(tenant_id: int, slug: str) -> list[str]:
    """Return the mailboxes that read their mail by this connection, in words for people."""
    names = Mailbox.objects.for_tenant(tenant_id).filter(connection__slug=slug).values_list("name", flat=True)
    return [f"the mailbox “{name}”" for name in names[:MOST_NAMED]]
