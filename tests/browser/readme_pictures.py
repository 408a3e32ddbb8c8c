"""The three pictures of the README: `python -m tests.browser.readme_pictures` writes them to docs/images/."""

import shutil
import sys
import tempfile
from pathlib import Path

from tests.browser.screenshots import SIZES, fill, log_in, pages, prepare, served

FOLDER = Path("docs/images")
#: Picture -> the page of `pages()` that it shows.
WANTED = {"builder": "builder-picture", "test-run": "fixed", "dashboard": "dashboard"}
PERSON, TENANT = "mara", "Northport"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="taskflow-pictures-") as temporary:
        prepare(Path(temporary))
        scene = fill()
        addresses = pages(scene) | {"builder-picture": ("", "/admin/build/support-tickets/?step=read")}
        addresses["fixed"] = ("", addresses["test-run"][1] + "?show=fixed")
        rename(scene.cast)
        FOLDER.mkdir(parents=True, exist_ok=True)
        with served() as address:
            take(address, {name: addresses[page][1] for name, page in WANTED.items()})
    sys.stdout.write(f"{len(WANTED)} pictures in {FOLDER}/\n")


def rename(cast) -> None:  # type: ignore[no-untyped-def]  # Django is not set up where this module is read.
    """Give the tenant and who looks names that tell more than those of tests."""
    from tenants.models import ConnectionSpend
    from workflows.models import Workflow

    cast.tenant.name = TENANT
    cast.tenant.save()
    cast.editor.username, cast.editor.email = PERSON, ""
    cast.editor.save()
    Workflow.objects.filter(slug="sort-tickets").update(active=False)
    ConnectionSpend.objects.all().delete()


def take(address: str, wanted: dict[str, str]) -> None:
    """Take the pictures in the light theme, at the size of a desktop."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import ARGUMENTS

    width, height = SIZES["desktop"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        page = browser.new_context(base_url=address, viewport={"width": width, "height": height}).new_page()
        log_in(page, PERSON, None)
        for name, url in wanted.items():
            page.goto(url, wait_until="networkidle")
            page.screenshot(path=FOLDER / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
