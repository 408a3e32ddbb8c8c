"""Forms of typed configs: drawn from a model and its data, read back into the data, with no JSON in between."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import QueryDict
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from pydantic import BaseModel

from workflows.admin.forms.build import Builder
from workflows.admin.forms.context import EditorContext
from workflows.admin.forms.nodes import Problems
from workflows.admin.forms.posted import Posted, read_model
from workflows.admin.forms.spec import spec_of
from workflows.domain.definition import Problem
from workflows.kinds.registry import KINDS

__all__ = ["ConfigForm", "EditorContext", "PydanticForm"]


class PydanticForm:
    """A form for the data of a pydantic model. Controls are named by their path: `config.labels.0.name`.

    `data` is what is stored, `posted` what a person sent instead; `problems` have places relative to the model
    ("labels.0.name"). One page may hold several forms, each with its own `prefix`.
    """

    def __init__(
        self,
        model: type[BaseModel],
        data: Mapping[str, Any],
        *,
        context: EditorContext | None = None,
        posted: QueryDict | None = None,
        problems: Sequence[Problem] = (),
        prefix: str,
    ) -> None:
        self.spec = spec_of(model)
        self.context = context or EditorContext()
        self.posted = posted
        self.data = data
        self.problems = problems
        self.prefix = prefix

    def read(self) -> dict[str, Any]:
        """Return the plain data that was posted, without what is as usual; the stored data where nothing was posted.

        Never fails: what cannot be typed stays a text, so that the model's validation names it.
        """
        if self.posted is None:
            return dict(self.data)
        return read_model(self.spec, Posted.below(self.posted, self.prefix))

    def render(self) -> SafeString:
        """Return the HTML, without a `<form>` around it. The page includes `taskflow/forms/assets.html` once."""
        problems = Problems([(each.place, each.message) for each in self.problems])
        builder = Builder(self.context, problems)
        node = builder.model(self.spec, self.prefix, "", self.read())
        context = {
            "form": node,
            "prefix": self.prefix,
            "templates": builder.templates,
            "problems": [f"{place}: {message}" if place else message for place, message in problems.left],
            "variables": self.context.described(),
            "variables_id": f"{self.prefix}-variables",
        }
        return mark_safe(render_to_string("taskflow/forms/form.html", context))  # noqa: S308  # the templates escape


class ConfigForm(PydanticForm):
    """The form of a step's config. Raises KeyError for a kind that there is not."""

    def __init__(
        self,
        kind: str,
        config: Mapping[str, Any],
        *,
        context: EditorContext | None = None,
        posted: QueryDict | None = None,
        problems: Sequence[Problem] = (),
        prefix: str = "config",
    ) -> None:
        super().__init__(KINDS[kind].Config, config, context=context, posted=posted, problems=problems, prefix=prefix)
