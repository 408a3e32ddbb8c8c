"""`/metrics`: for Prometheus, and for nobody else."""

from ipaddress import ip_address
from secrets import compare_digest

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from taskflow.metrics.gauges import GaugesCollector
from taskflow.metrics.store import host_registry


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the counts of this host and the gauges of the database, in Prometheus's text format."""
    if not _may_read(request):
        return _refusal()
    registry = host_registry(settings.METRICS_DIR)
    registry.register(GaugesCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_read(request: HttpRequest) -> bool:
    """Say whether this client may read: by token where one is set, else by its address."""
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        return compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    # Behind a proxy every client has the proxy's address.
    return "X-Forwarded-For" not in request.headers and "Forwarded" not in request.headers and _is_allowed(request)


def _is_allowed(request: HttpRequest) -> bool:
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in settings.METRICS_ALLOWED)


def _refusal() -> HttpResponse:
    if settings.METRICS_TOKEN:
        text = "Send METRICS_TOKEN: Authorization: Bearer TOKEN\n"
        return HttpResponse(text, status=401, content_type="text/plain", headers={"WWW-Authenticate": "Bearer"})
    text = "Metrics are for the addresses in METRICS_ALLOWED, asked directly; or set METRICS_TOKEN.\n"
    return HttpResponse(text, status=403, content_type="text/plain")
