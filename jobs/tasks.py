"""The Celery tasks of the engine. Each takes ids, tolerates unknown keywords, and may run twice or not at all."""

import os
import threading
from typing import Any

from celery import shared_task
from celery.signals import worker_process_init, worker_process_shutdown, worker_shutting_down
from django.db import close_old_connections, connection

from jobs.runtime import imap
from jobs.runtime import process as processes
from jobs.runtime.bulk import run_bulk_action
from jobs.runtime.drain import Drain
from jobs.runtime.exports import run_export
from jobs.runtime.indexing import run_indexing
from jobs.runtime.intake import run_list_import
from jobs.runtime.reporting import send_reports as run_reports
from jobs.runtime.tick import tick as run_tick
from jobs.runtime.trials import run_trial
from jobs.runtime.writing import surely
from jobs.services import figures, files, mail, reports
from jobs.services.wake import clear_wake
from taskflow.lib.clock import utcnow
from taskflow.lib.telemetry import span

#: The heartbeat holds the lock of the drain for a moment now and then; a drain holds it for seconds.
BESIDE_SECONDS = 1.0
_forked = False


@shared_task(name="jobs.drain")
def drain(queue_id: int, **_unknown: Any) -> None:
    """Run the due jobs of a queue in this process. A second drain beside one that runs here has nothing to add."""
    if processes.is_stopping():
        return
    process = processes.current_process()
    if not process.draining.acquire(timeout=BESIDE_SECONDS):
        clear_wake(queue_id=queue_id)
        return
    try:
        with span("engine.drain", queue=queue_id) as fields:
            fields["jobs"] = Drain(process, queue_id).run()
    finally:
        process.draining.release()
    if process.threads.stuck and _forked:
        # A thread cannot be ended from outside; a process can, and the pool replaces it.
        processes.close_process("a step did not come back")
        os._exit(0)


@shared_task(name="jobs.tick")
def tick(**_unknown: Any) -> None:
    """Keep the engine going: promote, rescue, wake."""
    run_tick(now=utcnow())


@shared_task(name="jobs.count_figures")
def count_figures(**_unknown: Any) -> None:
    """Count the jobs that have become final, for the dashboards."""
    figures.count_in_background(now=utcnow())


@shared_task(name="jobs.send_reports")
def send_reports(**_unknown: Any) -> None:
    """Send the reports by mail that are due."""
    run_reports(now=utcnow())


@shared_task(name="jobs.work_bulk_action")
def work_bulk_action(action_id: int, **_unknown: Any) -> None:
    """Go on with a bulk action, unless another process is at it."""
    run_bulk_action(action_id)


@shared_task(name="jobs.prune_files")
def prune_files(**_unknown: Any) -> None:
    """Take away files whose job was never made, or is gone, and old lines of the logs of mail."""
    files.prune_files(now=utcnow())
    mail.prune_inbound(now=utcnow())
    reports.prune_deliveries(now=utcnow())


@shared_task(name="jobs.poll_mail")
def poll_mail(**_unknown: Any) -> None:
    """Have the folders looked into whose turn it is, each by a task of its own: a slow server holds up no other."""
    for mailbox_id in imap.due_mailboxes(now=utcnow()):
        poll_mailbox.delay(mailbox_id)


@shared_task(name="jobs.poll_mailbox")
def poll_mailbox(mailbox_id: int, **_unknown: Any) -> None:
    """Take in what is new in one folder, unless another process is at it."""
    imap.poll_mailbox(mailbox_id, now=utcnow())


@shared_task(name="jobs.work_list_import")
def work_list_import(import_id: int, **_unknown: Any) -> None:
    """Go on with the import of a list, unless another process is at it."""
    run_list_import(import_id)


@shared_task(name="jobs.work_trial")
def work_trial(trial_id: int, **_unknown: Any) -> None:
    """Go on with a test run, unless another process is at it."""
    if not processes.is_stopping():
        process = processes.current_process()
        run_trial(trial_id, lease_id=process.lease.pk, slots=process.slots)


@shared_task(name="jobs.work_index")
def work_index(field_id: int, **_unknown: Any) -> None:
    """Go on with filling or dropping the values of an indexed field, unless another process is at it."""
    run_indexing(field_id)


@shared_task(name="jobs.work_export")
def work_export(export_id: int, **_unknown: Any) -> None:
    """Go on with an export, unless another process is at it."""
    run_export(export_id)


@worker_process_init.connect
def _after_fork(**_signal: Any) -> None:
    global _forked
    _forked = True
    close_old_connections()
    # In a thread: Celery gives this handler four seconds, and the database may be away.
    threading.Thread(target=_join_the_fleet, name="join", daemon=True).start()


def _join_the_fleet() -> None:
    """Open this process's lease before there is work for it, so that it is seen and the first job does not wait."""
    try:
        surely(processes.current_process)
    finally:
        connection.close()


@worker_shutting_down.connect
def _on_shutting_down(**_signal: Any) -> None:
    processes.ask_to_stop()


@worker_process_shutdown.connect
def _before_exit(**_signal: Any) -> None:
    processes.close_process("stopped")
