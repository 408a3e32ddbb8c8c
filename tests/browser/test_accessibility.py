"""Every page of the admin: what axe-core finds, light and dark; the keyboard's way; and nothing wider than a phone."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.axe import grave_problems
from tests.browser.scene import Scene, build_scene
from tests.browser.screenshots import ROOT, SIZES, log_in, pages
from tests.factories import make_cast, make_user

#: Looked at on a phone with axe-core too; all other pages are only measured there.
ON_PHONES = ("overview", "overview-empty", "dashboard", "dashboard-now", "receipts", "review", "review-question")
Open = Callable[[str, str], Page]


@pytest.fixture
def scene(transactional_db: None) -> Scene:
    make_user(ROOT, is_superuser=True)
    make_cast("empty")
    return build_scene(make_cast("acme"), jobs=12)


@pytest.fixture
def look(browser: Browser, live_server: LiveServer) -> Iterator[Open]:
    """Return what gives a window of a size ("desktop", "phone") in which a person is logged in, once for each."""
    contexts: dict[tuple[str, str], BrowserContext] = {}

    def opened(person: str, size: str) -> Page:
        if (person, size) not in contexts:
            width, height = SIZES[size]
            viewport = {"width": width, "height": height}
            contexts[person, size] = browser.new_context(
                base_url=live_server.url,
                viewport=viewport,  # type: ignore[arg-type]
                reduced_motion="reduce",
            )
            log_in(contexts[person, size].new_page(), person, None)
        return contexts[person, size].pages[0]

    yield opened
    for context in contexts.values():
        context.close()


# In two halves, so that two processes share them.
@pytest.mark.timeout(300)
@pytest.mark.parametrize("half", [0, 1])
def test_no_page_of_the_admin_has_a_grave_problem_light_or_dark(scene: Scene, look: Open, half: int) -> None:
    found = {}
    for name, (person, address) in list(pages(scene).items())[half::2]:
        page = look(person, "desktop")
        page.goto(address)
        turn(page, "light")
        found[name] = grave_problems(page)
        turn(page, "dark")
        found[f"{name}, dark"] = grave_problems(page, only="color-contrast")
    assert {where: problems for where, problems in found.items() if problems} == {}


@pytest.mark.timeout(300)
def test_no_page_is_wider_than_a_phone(scene: Scene, look: Open) -> None:
    wide, found = {}, {}
    for name, (person, address) in pages(scene).items():
        page = look(person, "phone")
        page.goto(address)
        width, room = page.evaluate("[document.scrollingElement.scrollWidth, window.innerWidth]")
        if width > room:
            wide[name] = width
        if name in ON_PHONES:
            found[name] = grave_problems(page)
    assert wide == {}
    assert {where: problems for where, problems in found.items() if problems} == {}


def test_the_keyboard_skips_the_sidebar_and_closes_its_menus(scene: Scene, look: Open) -> None:
    page = look(scene.cast.operator.username, "desktop")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    account = page.get_by_role("button", name=scene.cast.operator.username)
    account.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Log out")).to_be_hidden()
    expect(account).to_be_focused()


def test_a_group_of_the_sidebar_stays_folded_until_its_page_is_open(scene: Scene, look: Open) -> None:
    page = look(scene.cast.operator.username, "desktop")
    page.locator("summary", has_text="Operate").press("Enter")
    expect(page.get_by_role("link", name="Queues")).to_be_hidden()
    page.reload()
    expect(page.get_by_role("link", name="Queues")).to_be_hidden()
    page.goto("/admin/jobs/queue/")
    expect(page.get_by_label("Main").get_by_role("link", name="Queues")).to_have_attribute("aria-current", "page")


def test_the_menu_of_a_phone_opens_and_closes(scene: Scene, look: Open) -> None:
    page = look(scene.cast.operator.username, "phone")
    expect(page.get_by_label("Main")).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_label("Main").get_by_role("link", name="Receipts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Main")).to_be_hidden()


def turn(page: Page, theme: str) -> None:
    """Show the page in a theme without asking for it again; waits until no colour is on its way."""
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.evaluate(
        """theme => {
          document.documentElement.classList.toggle("dark", theme === "dark");
          const running = document.getAnimations().filter(animation => animation instanceof CSSTransition);
          return Promise.allSettled(running.map(animation => animation.finished));
        }""",
        theme,
    )
