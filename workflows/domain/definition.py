"""The workflow file: its form, and everything that can be said about it without knowing the step kinds."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workflows.domain.fields import InputField, check_payload
from workflows.domain.retry import RetryPolicy
from workflows.domain.reviewing import ReviewRule
from workflows.domain.yamlfile import YamlError, load_yaml

MAX_STEPS = 100
MAX_SAMPLES = 1000
Seconds = Annotated[float, Field(gt=0, le=7 * 86400)]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a definition, and its place in it ("steps.2.config.routes.0.when")."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class DefinitionError(ValueError):
    """A definition cannot be used; `problems` holds everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


KEY = r"^[A-Za-z][A-Za-z0-9_]{0,49}$"
SLUG = r"^[a-z0-9][-a-z0-9_]{0,62}$"
#: Addresses of pages that would hide a workflow of that slug.
RESERVED_SLUGS = frozenset({"new", "conditions"})
_IN_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "dict_type": "should be an object (names with values)",
    "model_type": "should be an object (names with values)",
    "tuple_type": "should be a list",
    "string_type": "should be text; put it in quotes",
}
_PATTERN_IN_WORDS = {
    KEY: "use letters, digits and _, with a letter first, at most 50",
    SLUG: "use small letters, digits, - and _, at most 63",
}
_SIZES_IN_WORDS = {
    "too_short": "needs at least {min_length}, and has {actual_length}",
    "too_long": "may have at most {max_length}, and has {actual_length}",
    "string_too_short": "needs at least {min_length} character(s)",
    "string_too_long": "may have at most {max_length} characters",
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Labels(_Part):
    """What people call the workflow's items."""

    singular: Annotated[str, Field(min_length=1, max_length=60)] = "Job"
    plural: Annotated[str, Field(min_length=1, max_length=60)] = "Jobs"


class StepDefinition(_Part):
    """One step. `timeout` is in seconds; `config` is the kind's own; `review` says when a person looks at it."""

    key: Annotated[str, Field(pattern=KEY)]
    name: Annotated[str, Field(max_length=200)] = ""
    kind: Annotated[str, Field(min_length=1, max_length=30)]
    enabled: bool = True
    config: Annotated[dict[str, Any], Field(default_factory=dict)]
    on_error: Literal["fail", "continue"] = "fail"
    timeout: Seconds | None = None
    retry: RetryPolicy | None = None
    review: ReviewRule | None = None

    @property
    def shown_name(self) -> str:
        """The name, or one made from the key."""
        return self.name or self.key.replace("_", " ").capitalize()


class SampleDefinition(_Part):
    """An input to try the workflow on, and what must come of it, if that is known."""

    name: Annotated[str, Field(max_length=200)] = ""
    input: dict[str, Any]
    expected: Any = None


class Definition(_Part):
    """A whole workflow. `samples` is None where the file does not speak of them."""

    slug: Annotated[str, Field(pattern=SLUG)]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=5000)] = ""
    labels: Labels = Labels()
    queue: Annotated[str, Field(pattern=r"^[-a-zA-Z0-9_]{1,50}$")] = "default"
    fields: Annotated[tuple[InputField, ...], Field(max_length=200)] = ()
    retry_policy: RetryPolicy | None = None
    timeout: Seconds = 3600.0
    steps: Annotated[tuple[StepDefinition, ...], Field(min_length=1, max_length=MAX_STEPS)]
    samples: Annotated[tuple[SampleDefinition, ...] | None, Field(max_length=MAX_SAMPLES)] = None

    def to_data(self) -> dict[str, Any]:
        """Return the definition as a file has it: plain data, without what is as usual."""
        return self.model_dump(mode="json", exclude_defaults=True)


def load_definition(text: str) -> Any:
    """Return the plain data of a workflow file; raises DefinitionError."""
    try:
        data = load_yaml(text)
    except YamlError as error:
        raise DefinitionError([Problem(error.place, error.message)]) from None
    if not isinstance(data, dict):
        raise DefinitionError([Problem("", "a workflow file holds keys like slug, name and steps at its top level")])
    return data


def read_definition(data: Any) -> tuple[Definition | None, list[Problem]]:
    """Return the definition that `data` is, if it has the form of one, and all that is wrong with it."""
    repeated = [*_repeated("fields", data), *_repeated("steps", data)]
    try:
        definition = Definition.model_validate(data)
    except ValidationError as error:
        return None, problems_of(error) + repeated
    return definition, repeated + list(_sample_problems(definition))


def check_slug_is_free(slug: str) -> None:
    """Raise DefinitionError for the slug of a new workflow whose pages would lie behind others."""
    if slug in RESERVED_SLUGS:
        message = f"'{slug}' is the address of a page of its own; choose another, such as '{slug}-workflow'"
        raise DefinitionError([Problem("slug", message)])


def read_steps(data: Any) -> list[tuple[int, StepDefinition]]:
    """Return the steps of `data` that have a step's form, with their positions, whatever is wrong with the rest."""
    found = []
    for index, step in enumerate(_items(data, "steps")):
        try:
            found.append((index, StepDefinition.model_validate(step)))
        except ValidationError:
            continue
    return found


def problems_of(error: ValidationError, prefix: str = "") -> list[Problem]:
    """Return a validation error as problems. What only follows from a problem further inside is left out."""
    errors = error.errors(include_url=False)
    inner = {tuple(one["loc"][:depth]) for one in errors for depth in range(len(one["loc"]))}
    return [
        Problem(".".join(filter(None, (prefix, *map(str, one["loc"])))), _in_words(one))
        for one in errors
        if one["loc"] not in inner or one["type"] == "value_error"
    ]


def _in_words(error: Mapping[str, Any]) -> str:
    kind = error["type"]
    if kind in _IN_WORDS:
        return _IN_WORDS[kind]
    if kind == "string_pattern_mismatch":
        pattern = error["ctx"]["pattern"]
        return f"'{error['input']}' does not fit; {_PATTERN_IN_WORDS.get(pattern, f'it must look like {pattern}')}"
    if kind in _SIZES_IN_WORDS:
        return _SIZES_IN_WORDS[kind].format(**error["ctx"])
    message = str(error["msg"]).removeprefix("Value error, ")
    return message.replace("Input should", "should", 1) if message.startswith("Input should") else message


def _sample_problems(definition: Definition) -> Iterator[Problem]:
    for index, sample in enumerate(definition.samples or ()):
        for problem in check_payload(definition.fields, sample.input):
            yield Problem(f"samples.{index}.input.{problem.field}", problem.message)


def _repeated(name: str, data: Any) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, item in enumerate(_items(data, name)):
        key = item.get("key") if isinstance(item, dict) else None
        if isinstance(key, str):
            if key in seen:
                yield Problem(f"{name}.{index}.key", f"'{key}' is there twice")
            seen.add(key)


def _items(data: Any, name: str) -> list[Any]:
    items = data.get(name) if isinstance(data, dict) else None
    return items if isinstance(items, list) else []
