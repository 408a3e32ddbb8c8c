"""Texts with placeholders: Django's template language over plain data, with no way out of it.

A template sees the names an expression sees. Only the tags and filters of `template_library` exist, an unknown name is
an error wherever it stands, nothing is called, and the size of what is made is bounded.
"""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar

from django.template import Context, Engine, TemplateSyntaxError, VariableDoesNotExist
from django.template.base import Template as DjangoTemplate
from django.utils.safestring import SafeString

from workflows.domain.expressions import ROOTS
from workflows.template_library import library
from workflows.template_parser import Parser, TemplateError, lex

__all__ = ["MAX_LENGTH", "MAX_OUTPUT", "Template", "TemplateError", "compile_template"]

MAX_LENGTH = 20_000
#: Characters a rendering may make in all, counting what filters handle on the way and ten for each round of a loop.
MAX_OUTPUT = 2_000_000
_SURPRISES = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RuntimeError, VariableDoesNotExist)


class _Engine(Engine):
    default_builtins: ClassVar[list[str]] = []


_engine = _Engine(autoescape=False, debug=False)


class _Nodes(DjangoTemplate):
    """Django's compiled template, read by the strict parser."""

    def compile_nodelist(self) -> Any:
        self.parser = Parser(lex(self.source), library)
        return self.parser.parse()


class _Scope(Context):
    """What one rendering sees, how much it may still make, and what went wrong in it.

    Django's `if` hides every error of a comparison, so the first one is kept here.
    """

    def __init__(self, values: Mapping[str, Any], quote: Callable[[str], str] | None, quote_all: bool) -> None:
        super().__init__(dict(values), autoescape=False, use_l10n=False, use_tz=False)
        self.quote_all = quote_all
        self.left = MAX_OUTPUT
        self.failure: TemplateError | None = None
        self.quote = quote

    def fail(self, message: str) -> TemplateError:
        self.failure = self.failure or TemplateError(message)
        return self.failure

    def spend(self, characters: int) -> None:
        self.left -= characters
        if self.left < 0:
            raise self.fail(f"the text becomes longer than {MAX_OUTPUT} characters")

    def show(self, value: Any) -> str:
        """Return a value as it stands in the text: nothing for null, JSON for lists, objects and booleans."""
        if value is None:
            return ""
        text = value if isinstance(value, str) else _shown(value)
        if self.quote is None or (isinstance(value, SafeString) and not self.quote_all):
            return text
        return self.quote(text)


def _shown(value: Any) -> str:
    if isinstance(value, (bool, list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


class Template:
    """A compiled template. Keeps no state of a rendering, so threads may share it."""

    __slots__ = ("_constant", "_nodes", "_quote", "_quote_all", "paths", "source", "step_keys")

    def __init__(self, source: str, nodes: _Nodes, quote: Callable[[str], str] | None, quote_all: bool) -> None:
        self.source = source
        self.step_keys = nodes.parser.step_keys()
        self.paths = nodes.parser.required_paths()
        self._nodes = nodes
        self._quote = quote
        self._quote_all = quote_all
        self._constant = not any(mark in source for mark in ("{{", "{%", "{#"))

    def __repr__(self) -> str:
        return f"<Template {self.source[:40]!r}>"

    def render(self, values: Mapping[str, Any]) -> str:
        """Return the text for `values`. Raises TemplateError for a missing name, and where the text grows too long."""
        if self._constant:
            return self.source
        scope = _Scope(values, self._quote, self._quote_all)
        try:
            text = str(self._nodes.render(scope))
        except TemplateError:
            raise
        except _SURPRISES as error:
            raise scope.fail(str(error) or type(error).__name__) from error
        if scope.failure:
            raise scope.failure
        return text


def compile_template(
    source: str,
    *,
    names: Collection[str] = ROOTS,
    quote: Callable[[str], str] | None = None,
    quote_all: bool = False,
) -> Template:
    """Compile `source`, which may read `names`. Raises TemplateError, which names the line and the word.

    `quote` is applied to every value that is put in (for URLs); `|safe` leaves a value as it is, unless `quote_all`.
    """
    if len(source) > MAX_LENGTH:
        raise TemplateError(f"the template is longer than {MAX_LENGTH} characters")
    try:
        nodes = _Nodes(source, engine=_engine)
    except TemplateSyntaxError as error:
        raise TemplateError(_place(error) + str(error)) from None
    nodes.parser.check_names(names)
    return Template(source, nodes, quote, quote_all)


def _place(error: TemplateSyntaxError) -> str:
    token = getattr(error, "token", None)
    return "" if token is None or "on line" in str(error) else f"line {token.lineno}: "
