"""The Celery applications. PEER_VARIANT: `nothing` (one task, nothing stored), `results` (a chain of three tasks whose
results django-celery-results keeps) or `rows` (one task that writes job and step rows through the ORM)."""

import os

from celery import Celery

from bench import workload
from bench.subject import Places

VARIANT = os.environ["PEER_VARIANT"]
if VARIANT != "nothing":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.peers.settings")
    import django

    django.setup()

app = Celery("bench", broker=Places.from_environment().redis_url(8))
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=int(os.environ.get("PEER_PREFETCH", "10")),
    task_ignore_result=VARIANT != "results",
    result_backend="django-db" if VARIANT == "results" else None,
    worker_send_task_events=False,
    result_expires=None,
    broker_connection_retry_on_startup=True,
)

if VARIANT == "nothing":
    import redis

    counter = redis.Redis(port=Places.from_environment().redis, db=8)

    @app.task
    def whole(text):
        """All three steps in one task; that it is done is counted in Redis, nothing else is kept."""
        import json

        workload.emit(workload.compute(workload.parse(json.loads(text))))
        counter.incr("done")

    @app.task
    def slow(number):
        """W2."""
        workload.slow_call(number)
        counter.incr("done")


if VARIANT == "results":

    @app.task
    def parse(order):
        """W1, the first task."""
        return workload.parse(order)

    @app.task
    def compute(parsed):
        """W1, the second task."""
        return workload.compute(parsed)

    @app.task
    def emit(computed):
        """W1, the third task."""
        return workload.emit(computed)

    @app.task
    def call(number):
        """W2."""
        return workload.slow_call(number)


if VARIANT == "rows":
    from django.utils import timezone

    from bench.peers.tables.models import Job, StepResult

    def run_steps(key, steps):
        """Go on behind the last recorded step, and record each."""
        job = Job.objects.get(pk=key)
        if job.status == "succeeded":
            return
        kept = {row.step_no: row.result for row in StepResult.objects.filter(job_id=key)}
        job.status, job.updated = "running", timezone.now()
        job.attempt_no += 1
        job.save(update_fields=["status", "attempt_no", "updated"])
        record = job.payload
        for position, (name, step) in enumerate(steps, 1):
            if position in kept:
                record = kept[position]
                continue
            started = timezone.now()
            record = step(record)
            StepResult.objects.create(
                job_id=key,
                step_no=position,
                name=name,
                status="done",
                result=record,
                started=started,
                finished=timezone.now(),
            )
        job.status, job.result = "succeeded", record
        job.finished = job.updated = timezone.now()
        job.save(update_fields=["status", "result", "finished", "updated"])

    @app.task
    def run_job(key):
        """W1."""
        run_steps(key, workload.STEPS)

    @app.task
    def run_call(key):
        """W2."""
        run_steps(key, [("slow", lambda payload: workload.slow_call(payload["id"]))])
