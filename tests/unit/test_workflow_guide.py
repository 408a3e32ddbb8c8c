"""The guide's examples work as they stand."""

import re
from pathlib import Path

import pytest

from workflows.domain.expressions import compile_expression
from workflows.domain.yamlfile import load_yaml
from workflows.kinds.registry import KINDS, make_runner
from workflows.services import check_file

GUIDE = (Path(__file__).parents[2] / "docs" / "workflows.md").read_text()
STEPS = [block for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL) if block.startswith("kind:")]


def test_the_file_in_the_guide_is_right():
    file = re.search(r"```yaml\n(slug:.*?)```", GUIDE, re.DOTALL)[1]
    assert check_file(file).slug == "tickets"


@pytest.mark.parametrize("block", STEPS, ids=lambda block: block.split()[1])
def test_a_step_in_the_guide_is_right(block):
    step = load_yaml(block)
    assert make_runner(step["kind"], step["config"]).name == step["kind"]


def test_every_kind_is_in_the_guide():
    assert [name for name in KINDS if f"\n### {name} — " not in GUIDE] == []


def test_the_expressions_in_the_guide_are_right():
    lines = re.search(r"```\n(record\.total.*?)```", GUIDE, re.DOTALL)[1].splitlines()
    assert len(lines) > 5
    assert [compile_expression(line).source for line in lines] == lines
