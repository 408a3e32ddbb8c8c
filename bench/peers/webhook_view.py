"""The least a webhook's view can do: store the body. No key, signature, limit, or rule."""

from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path


def store(request):
    """Store the body and say so."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO webhook_body (body, at) VALUES (%s, UTC_TIMESTAMP(6))", [request.body])
    return HttpResponse(status=202)


urlpatterns = [path("webhook", store), path("health", lambda request: HttpResponse("ok"))]
application = get_wsgi_application()
