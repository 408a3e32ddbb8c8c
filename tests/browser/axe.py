"""axe-core over a page: what people with a screen reader, a keyboard alone or weak eyes would stumble over."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE = ("serious", "critical")


def grave_problems(page: Page, *, only: str | None = None) -> list[str]:
    """Return what axe-core calls serious or critical on the page as it is now: rule, element and what is wrong.

    With `only`, by that rule alone.
    """
    rules = {} if only is None else {"runOnly": [only]}
    found = Axe().run(page, options={"resultTypes": ["violations"], **rules}).response["violations"]
    return [
        f"{violation['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for violation in found
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]
