"""What every page of our own shares: the admin's frame, and live parts that the page asks for again."""

from datetime import tzinfo
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

#: A live part asks for itself with this parameter; the answer is that part alone.
PART = "part"


def render_page(
    request: HttpRequest, name: str, *, title: str, zone: tzinfo | None = None, part: str | None = None, **context: Any
) -> HttpResponse:
    """Render `taskflow/NAME.html` in the admin's frame, or only `taskflow/PART.html` when the page asks for it again.

    Times are written in `zone`; UTC without one.
    """
    context = {"title": title, "live_url": live_url(request)} | context
    with timezone.override(zone):
        if part is not None and PART in request.GET:
            response = render(request, f"taskflow/{part}.html", context)
            response["Cache-Control"] = "no-store"
            return response
        request.current_app = admin.site.name
        frame = admin.site.each_context(request)
        return render(request, f"taskflow/{name}.html", frame | {"part": part and f"taskflow/{part}.html"} | context)


def live_url(request: HttpRequest) -> str:
    """Return this page's own address, asking for its live part."""
    query = request.GET.copy()
    query[PART] = "1"
    return f"{request.path}?{query.urlencode()}"
