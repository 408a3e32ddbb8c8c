"""Pictures of every page of the admin, on a desktop and on a phone, light and dark.

They go to `screenshots/` (or the folder given). It runs on an SQLite file of its own, which is thrown away.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.scene import Scene

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
THEMES = ("light", "dark")
ROOT = "root@acme.test"


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="taskflow-screenshots-") as temporary:
        prepare(Path(temporary))
        scene = fill()
        folder.mkdir(parents=True, exist_ok=True)
        with served() as address:
            count = take(scene, address, folder)
    sys.stdout.write(f"{count} pictures in {folder}/\n")


def prepare(var: Path) -> None:
    """Set the environment of this process and the server's, and make the database."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "taskflow.settings",
        "VAR_DIR": str(var),
        "DATABASE_URL": f"sqlite:///{var}/scene.sqlite3",
        "BROKER_URL": "filesystem://",
        "SECRET_KEY": "only-for-screenshots-" + "0123456789" * 4,
        "STEP_FUNCTION_MODULES": "tests.steps",
        "LEASE_SECONDS": "3600",
        "DEBUG": "true",
        "HTTPS": "false",
        "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def fill() -> "Scene":
    from tests.browser.scene import build_scene
    from tests.factories import make_cast, make_user

    make_user(ROOT, is_superuser=True)
    make_cast("empty")
    return build_scene(make_cast("acme"))


@contextmanager
def served() -> Iterator[str]:
    """Run the development server; yields its address."""
    port = free_port()
    command = [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{address}/admin/login/")  # noqa: S310 - our own address
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(10)


def pages(scene: "Scene") -> dict[str, tuple[str, str]]:
    """Return what to take pictures of: a name, who looks, and the address."""
    from jobs.models import BulkAction, InboundMessage, Lane, Mailbox
    from tests.browser.scene_automations import automation_pages
    from tests.browser.scene_views import view_pages

    owner = scene.cast.owner.username
    operator, editor, empty = scene.cast.operator.username, scene.cast.editor.username, "operator@empty.test"
    action, lane = BulkAction.objects.get(), Lane.objects.filter(tenant=scene.cast.tenant).first()
    mailbox, message = Mailbox.objects.get(), InboundMessage.objects.last()
    sample = scene.receipts.samples.last()
    assert sample is not None
    assert lane is not None
    assert message is not None
    return {
        "overview": (operator, "/admin/"),
        "overview-empty": (empty, "/admin/"),
        "overview-whole": (ROOT, "/admin/"),
        "dashboard": (operator, "/admin/build/posts/dashboard/?period=7d"),
        "dashboard-now": (operator, "/admin/build/receipts/dashboard/?period=now"),
        "dashboard-empty": (editor, "/admin/build/tickets/dashboard/?period=custom&from=2001-01-01&to=2001-01-02"),
        "reports": (owner, "/admin/reports/"),
        "reports-empty": (empty, "/admin/reports/"),
        "receipts": (operator, "/admin/jobs/job/of/receipts/"),
        "tickets-failed": (operator, "/admin/jobs/job/of/tickets/?state=failed"),
        "jobs": (operator, "/admin/jobs/job/"),
        "jobs-empty": (empty, "/admin/jobs/job/"),
        "jobs-no-match": (operator, "/admin/jobs/job/of/receipts/?queue=express"),
        "job-dead": (operator, f"/admin/jobs/job/{scene.failed.uid}/change/"),
        "job-running": (operator, f"/admin/jobs/job/{scene.running.uid}/change/"),
        "job-succeeded": (operator, f"/admin/jobs/job/{scene.succeeded.uid}/change/"),
        "llm-usage": (operator, "/admin/jobs/llmusage/"),
        "llm-usage-empty": (empty, "/admin/jobs/llmusage/"),
        "job-waiting": (operator, f"/admin/jobs/job/{scene.waiting.uid}/change/"),
        "job-retry": (operator, f"/admin/jobs/job/{scene.failed.uid}/retry/"),
        "job-new": (operator, "/admin/jobs/job/of/receipts/new/"),
        "mailboxes": (editor, "/admin/jobs/mailbox/"),
        "mailboxes-empty": (empty, "/admin/jobs/mailbox/"),
        "mailbox": (editor, f"/admin/jobs/mailbox/{mailbox.pk}/change/"),
        "mailbox-new": (editor, "/admin/jobs/mailbox/add/"),
        "mail-that-came-in": (operator, "/admin/jobs/inboundmessage/"),
        "mail-message": (operator, f"/admin/jobs/inboundmessage/{message.pk}/change/"),
        "review": (operator, f"/admin/jobs/review/inbox/?item={scene.reviews[0].uid}"),
        "review-question": (operator, f"/admin/jobs/review/inbox/?item={scene.reviews[2].uid}"),
        "review-empty": (empty, "/admin/jobs/review/inbox/"),
        "review-history": (operator, "/admin/jobs/review/"),
        "queues": (operator, "/admin/jobs/queue/"),
        "queues-whole": (ROOT, "/admin/jobs/queue/"),
        "queue": (ROOT, f"/admin/jobs/queue/{scene.queue.pk}/change/"),
        "lanes": (operator, "/admin/jobs/lane/"),
        "lane": (operator, f"/admin/jobs/lane/{lane.pk}/change/"),
        "workers": (operator, "/admin/jobs/workerlease/"),
        "bulk-actions": (operator, "/admin/jobs/bulkaction/"),
        "bulk-actions-empty": (empty, "/admin/jobs/bulkaction/"),
        "bulk-action": (operator, f"/admin/jobs/bulkaction/{action.uid}/change/"),
        "gallery": (editor, "/admin/gallery/"),
        "gallery-starter": (editor, "/admin/gallery/invoices/"),
        "learn": (editor, "/admin/learn/"),
        "learn-empty": (empty, "/admin/learn/"),
        "imports-empty": (operator, "/admin/jobs/listimport/"),
        "list-upload": (operator, "/admin/jobs/listimport/of/receipts/"),
        **view_pages(scene.cast),
        **automation_pages(scene.cast),
        "workflows": (editor, "/admin/workflows/workflow/"),
        "workflows-empty": (empty, "/admin/workflows/workflow/"),
        "builder": (editor, "/admin/build/sort-tickets/"),
        "builder-step": (editor, "/admin/build/sort-tickets/?step=route"),
        "builder-fields": (editor, "/admin/build/sort-tickets/?panel=fields"),
        "builder-settings": (editor, "/admin/build/sort-tickets/?panel=settings"),
        "builder-add": (editor, "/admin/build/sort-tickets/?panel=add"),
        "builder-import": (editor, "/admin/build/sort-tickets/?panel=import"),
        "builder-viewer": (operator, "/admin/build/sort-tickets/?step=route"),
        "builder-new": (editor, "/admin/build/new/"),
        "builder-delete": (editor, "/admin/build/receipts/delete/"),
        "tests": (editor, "/admin/build/receipts/test/"),
        "tests-empty": (editor, "/admin/build/tickets/test/"),
        "tests-viewer": (scene.cast.viewer.username, "/admin/build/receipts/test/"),
        "test-samples-paste": (editor, "/admin/build/receipts/test/samples/add/"),
        "test-samples-form": (editor, "/admin/build/receipts/test/samples/add/?way=form"),
        "test-samples-upload": (editor, "/admin/build/receipts/test/samples/add/?way=upload"),
        "test-samples-jobs": (editor, "/admin/build/receipts/test/samples/add/?way=jobs"),
        "test-sample": (editor, f"/admin/build/receipts/test/samples/{sample.pk}/"),
        "test-run": (editor, f"/admin/build/receipts/test/{scene.trial.uid}/"),
        "test-run-broken": (editor, f"/admin/build/receipts/test/{scene.trial.uid}/?show=broken"),
        "versions": (editor, "/admin/build/support-tickets/versions/"),
        "version-diff": (editor, "/admin/build/support-tickets/versions/diff/?from=3&to=draft"),
        "version-publish": (editor, "/admin/build/support-tickets/publish/"),
        "version-jobs": (editor, "/admin/build/support-tickets/versions/jobs/"),
        "connections": (editor, "/admin/tenants/connection/"),
        "connections-empty": ("editor@empty.test", "/admin/tenants/connection/"),
        "connection-kinds": (editor, "/admin/tenants/connection/add/"),
        "connection-add": (editor, "/admin/tenants/connection/add/?kind=http"),
        "connection": (editor, connection_page("accounting")),
        "connection-spent": (editor, connection_page("default")),
        "connection-viewer": (operator, connection_page("default")),
        "choose-tenant": (ROOT, "/admin/jobs/job/"),
        "periodic-tasks": (ROOT, "/admin/django_celery_beat/periodictask/"),
        "periodic-task": (ROOT, "/admin/django_celery_beat/periodictask/add/"),
        "tenants": (ROOT, "/admin/tenants/tenant/"),
        "tenant": (ROOT, f"/admin/tenants/tenant/{scene.cast.tenant.pk}/change/"),
        "api-keys": (ROOT, "/admin/tenants/apikey/"),
        "users": (ROOT, "/admin/auth/user/"),
        "user": (ROOT, f"/admin/auth/user/{scene.cast.operator.pk}/change/"),
    }


def connection_page(slug: str) -> str:
    """Return the address of a connection's page."""
    from tenants.models import Connection

    return f"/admin/tenants/connection/{Connection.objects.get(slug=slug).pk}/change/"


def take(scene: "Scene", address: str, folder: Path) -> int:
    """Take every picture; returns how many."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import ARGUMENTS

    program = shutil.which("chromium") or shutil.which("google-chrome")
    wanted = pages(scene)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        for person in sorted({who for who, _ in wanted.values()}):
            cookies = browser.new_context(base_url=address)
            log_in(cookies.new_page(), person, folder if person == ROOT else None)
            state = cookies.storage_state()
            for size, (width, height) in SIZES.items():
                for theme in THEMES:
                    context = browser.new_context(
                        base_url=address,
                        storage_state=state,
                        viewport={"width": width, "height": height},
                        color_scheme=theme,  # type: ignore[arg-type]
                    )
                    page = context.new_page()
                    for name, (who, url) in wanted.items():
                        if who == person:
                            page.goto(url, wait_until="networkidle")
                            page.screenshot(path=folder / f"{name}-{size}-{theme}.png")
                    context.close()
        browser.close()
    return len(wanted) * len(SIZES) * len(THEMES) + 1


def log_in(page: "Page", person: str, folder: Path | None) -> None:
    from tests.factories import PASSWORD

    page.goto("/admin/login/")
    if folder is not None:
        page.screenshot(path=folder / "login-desktop-light.png")
    page.fill("[name=username]", person)
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots"))
