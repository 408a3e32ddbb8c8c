"""The documents say what the code does."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands

ROOT = Path(settings.BASE_DIR)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
SOURCES = "".join((ROOT / "taskflow" / name).read_text() for name in ("settings.py", "environment.py"))
READ = set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", SOURCES))
TOLD = {
    name
    for row in re.findall(r"^\| (`[A-Z_`, ]+`) \|", OPERATIONS, re.MULTILINE)
    for name in re.findall("[A-Z_]+", row)
}


def test_every_setting_is_in_the_table_and_every_row_is_a_setting() -> None:
    assert sorted(READ) == sorted(TOLD)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    assert set(re.findall(r"manage\.py ([a-z_]+)", text)) <= set(get_commands())
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", text)) <= targets
