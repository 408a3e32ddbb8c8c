import re
from pathlib import Path

import pytest

from tests.pages import posted
from workflows.admin.config_form import ConfigForm
from workflows.domain.definition import load_definition
from workflows.domain.yamlfile import load_yaml
from workflows.kinds.registry import KINDS

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / "workflows/gallery").glob("*.yaml")), *sorted((ROOT / "taskflow/demo").glob("*.yaml"))]
GUIDE = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/workflows.md").read_text(), re.DOTALL)


def definitions():
    for file in FILES:
        yield file.stem, load_definition(file.read_text())
    for number, text in enumerate(GUIDE):
        data = load_yaml(text)
        yield f"guide-{number}", data if "steps" in data else {"steps": [data | {"key": "it"}]}


def steps():
    return [
        pytest.param(step, id=f"{name}-{step['key']}")
        for name, definition in definitions()
        for step in definition["steps"]
    ]


def back(form_of, data):
    """Return what comes back of `data` when its form is drawn and posted as it is."""
    return form_of(data, posted(form_of(data, None).render())).read()


@pytest.mark.parametrize("step", list(steps()))
def test_a_form_that_nobody_changes_gives_back_its_config(step):
    config = step["config"]
    found = back(lambda data, sent: ConfigForm(step["kind"], data, posted=sent), config)
    typed = KINDS[step["kind"]].Config.model_validate
    assert typed(found) == typed(config)
