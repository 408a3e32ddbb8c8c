"""The WSGI entry point of the web processes."""

import os

from django.core.wsgi import get_wsgi_application

from taskflow.lib.chunked import accept_chunked

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskflow.settings")

application = accept_chunked(get_wsgi_application())
