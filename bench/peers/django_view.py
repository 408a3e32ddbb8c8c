"""A plain Django view that makes a job row and sends its Celery task: what a team writes itself, without keys, checks
of the input, limits or documents."""

import json
import os
import sys

os.environ["PEER_VARIANT"] = "rows"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.peers.settings")

from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path

from bench.http_subject import HttpSubject, wait_for_web
from bench.peers.celery_rows import CeleryRows
from bench.subject import main
from bench.workload import order
from tests.servers import free_port


def create_job(request):
    """Store the job, send its task, answer with its id."""
    from django.utils import timezone

    from bench.peers.celery_app import run_job
    from bench.peers.tables.models import Job

    now = timezone.now()
    job = Job.objects.create(name="invoice", payload=json.loads(request.body), run_at=now, created=now, updated=now)
    run_job.delay(job.pk)
    return JsonResponse({"id": str(job.uid), "status": job.status}, status=201)


urlpatterns = [path("jobs", create_job), path("health", lambda request: HttpResponse("ok"))]


class DjangoView(HttpSubject, CeleryRows):
    """The view behind the same web server as the product's."""

    name = "django-view"

    def setup(self, mode):
        super().setup("w1")

    def start(self, mode):
        super().start("w1")
        self.port = free_port()
        self.spawn(
            sys.executable, "-m", "gunicorn", "bench.peers.django_view:application", "--bind", f"127.0.0.1:{self.port}",
            "--worker-class", "gthread", "--workers", "2", "--threads", "4", "--log-level", "warning",
        )  # fmt: skip
        wait_for_web(self.port)

    def requests(self, numbers, mode):
        return [("/jobs", json.dumps(order(number)).encode()) for number in numbers]


if __name__ == "__main__":
    main(DjangoView)
else:
    application = get_wsgi_application()
