"""Publishing, a release to a share, and the way back, in a real browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import grave_problems
from tests.factories import make_cast, make_queue
from workflows.models import Step, Workflow
from workflows.services import check_definition, import_workflow

LogIn = Callable[[str], Page]
PROMPT = "Which team should answer this question? Choose the one that can act."
DATA = {
    "slug": "letters",
    "name": "Letters",
    "labels": {"singular": "Letter", "plural": "Letters"},
    "fields": [{"key": "text", "label": "Text"}],
    "steps": [
        {
            "key": "sort",
            "name": "Sort it",
            "kind": "transform",
            "config": {"fields": [{"name": "team", "template": PROMPT}]},
        }
    ],
}


@pytest.fixture
def page(transactional_db: None, log_in: LogIn) -> Page:
    make_queue()
    cast = make_cast("acme")
    import_workflow(tenant=cast.tenant, definition=check_definition(DATA))
    return log_in("editor@acme.test")


def accessible(page: Page) -> None:
    """Check the page in both themes."""
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        assert grave_problems(page) == []


def edit_draft(text: str) -> None:
    step = Step.objects.get(version__draft_of__slug="letters")
    step.config = {"fields": [{"name": "team", "template": text}]}
    step.save()


def test_a_version_is_published_changed_released_to_a_share_and_rolled_back(page: Page) -> None:
    page.goto("/admin/build/letters/versions/")
    expect(page.get_by_text("No job can be sent until a first version is published.")).to_be_visible()
    page.get_by_role("link", name="Publish …").click()
    page.get_by_label("What changed, for the others").fill("The first.")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_text("Version 1 is published: new jobs run it.")).to_be_visible()
    accessible(page)

    edit_draft(PROMPT.replace("Choose", "Take"))
    page.reload()
    page.get_by_role("link", name="See the differences").click()
    expect(page.locator("del", has_text="Choose")).to_be_visible()
    expect(page.locator("ins", has_text="Take")).to_be_visible()
    accessible(page)

    page.goto("/admin/build/letters/publish/")
    page.get_by_label("25 % of new jobs").check()
    accessible(page)
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_text("Version 2 is published: 25 % of new jobs run it.")).to_be_visible()
    expect(page.get_by_role("heading", name="Version 2 is being released")).to_be_visible()
    accessible(page)

    page.get_by_role("button", name="Make it live").click()
    expect(page.get_by_text("Version 2 is live.")).to_be_visible()
    page.get_by_role("button", name="Roll back to version 1, and say why").click()
    page.get_by_label("Why, for the others").fill("Worse than before.")
    accessible(page)
    page.get_by_role("button", name="Roll back to version 1").click()
    expect(page.get_by_text("New jobs run version 1. Jobs that began on another one stay on it.")).to_be_visible()
    live = Workflow.objects.get().live_version
    assert live is not None
    assert live.number == 1
    page.get_by_role("button", name="Undo: back to version 2").click()
    expect(page.get_by_text("Taken back: new jobs run version 2.")).to_be_visible()
    page.goto("/admin/build/letters/versions/jobs/?kind=rerun")
    accessible(page)
