"""docs/roles.md says who may do what; here every page and endpoint is tried by every role and with every scope.

`WRITE_ROLES=1 pytest tests/journeys/test_roles_table.py` writes what was found into the page, to be read before it is
committed.
"""

import os
import re
from pathlib import Path

import pytest

from tests.journeys.belongings import Belongings
from tests.journeys.doors import Door, admin_doors, api_doors

PAGE = Path(__file__).resolve().parents[2] / "docs" / "roles.md"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
#: What a viewer does changes nothing for anybody else: which view the own list opens with, and a list as a file.
FOR_ONESELF = {
    "admin/build/<slug:slug>/views/<uuid:view>/default/",
    "admin/jobs/jobexport/of/<slug:slug>/start/",
}


def written(name: str) -> list[str]:
    """Return the lines of the table between the marks of this name."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1].splitlines()[2:]


def held_to(name: str, doors: list[Door]) -> None:
    lines = [door.line() for door in doors]
    if os.environ.get("WRITE_ROLES"):
        text = PAGE.read_text("utf-8")
        head = "| address | see | do |\n|---|---|---|\n"
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        PAGE.write_text(pattern.sub(lambda m: m[1] + head + "\n".join(lines) + "\n" + m[2], text), "utf-8")
    assert lines == written(name)


def test_the_admin_lets_in_whom_the_table_names_and_a_viewer_changes_nothing(mine: Belongings) -> None:
    doors = admin_doors(mine)
    assert {door.address for door in doors if door.do == "viewer"} == FOR_ONESELF
    held_to("admin", doors)


def test_the_api_asks_for_the_scopes_that_the_table_names(mine: Belongings) -> None:
    held_to("api", api_doors(mine))
