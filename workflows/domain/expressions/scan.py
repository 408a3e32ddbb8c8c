"""Reading an expression's text: its words, what it refers to, and how much work it could ask for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MACROS = frozenset({"all", "exists", "exists_one", "filter", "map"})
LITERALS = frozenset({"true", "false", "null", "in"})
_TOKEN = re.compile(
    r"""
      (?P<string>[bB]?[rR]("[^"\n]*"|'[^'\n]*')|[bB]?("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>\d[\w.]*)
    | (?P<space>\s+|//[^\n]*)
    | (?P<operator>&&|\|\||[=!<>]=|.)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word, string, number or operator, and where it starts (0 is the first character)."""

    kind: str
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Reference:
    """A name the expression reads, with the keys it follows from there: `steps.totals.sum` or `payload["a b"]`."""

    path: tuple[str, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What an expression's text tells. `loops` counts list macros, `loop_depth` those inside one another.

    `open_quote` is where a text begins that does not end.
    """

    references: tuple[Reference, ...]
    loop_names: tuple[Token, ...]
    nesting: int
    operators: int
    loops: int
    loop_depth: int
    open_quote: int | None


def tokens_of(source: str) -> list[Token]:
    """Split `source` into tokens, leaving out space and comments. Never fails: what is no token is an operator."""
    found = []
    for match in _TOKEN.finditer(source):
        kind = match.lastgroup or "string"
        if kind != "space":
            found.append(Token("string" if match["string"] else kind, match[0], match.start()))
    return found


def scan(source: str) -> Scan:
    """Read what `source` refers to and how deep it goes."""
    tokens = tokens_of(source)
    loop_names = tuple(_loop_names(tokens))
    nesting, loops, loop_depth = _depths(tokens)
    operators = sum(1 for token in tokens if token.kind == "operator" and token.text not in "()[]{},.")
    open_quote = next((token.start for token in tokens if token.text in ("'", '"')), None)
    return Scan(tuple(_references(tokens)), loop_names, nesting, operators, loops, loop_depth, open_quote)


def _text(tokens: list[Token], index: int) -> str:
    return tokens[index].text if 0 <= index < len(tokens) else ""


def _references(tokens: list[Token]) -> Iterator[Reference]:
    for index, token in enumerate(tokens):
        if token.kind != "word" or token.text in LITERALS:
            continue
        if _text(tokens, index - 1) == "." or _text(tokens, index + 1) == "(":
            continue
        yield Reference((token.text, *_keys_after(tokens, index + 1)), token.start)


def _keys_after(tokens: list[Token], index: int) -> Iterator[str]:
    while True:
        if _text(tokens, index) == "." and index + 1 < len(tokens) and _text(tokens, index + 2) != "(":
            yield tokens[index + 1].text
            index += 2
        elif _text(tokens, index) == "[" and _text(tokens, index + 2) == "]" and _is_plain_text(tokens[index + 1].text):
            yield tokens[index + 1].text[1:-1]
            index += 3
        else:
            return


def _is_plain_text(text: str) -> bool:
    """Say whether a token is a text whose value is what stands between its quotes."""
    return text[0] in "\"'" and "\\" not in text


def _is_loop(tokens: list[Token], index: int) -> bool:
    """Say whether the bracket at `index` opens the arguments of a list macro (`.map(`)."""
    return tokens[index].text == "(" and _text(tokens, index - 1) in MACROS and _text(tokens, index - 2) == "."


def _loop_names(tokens: list[Token]) -> Iterator[Token]:
    for index in range(len(tokens) - 1):
        if _is_loop(tokens, index) and tokens[index + 1].kind == "word":
            yield tokens[index + 1]


def _depths(tokens: list[Token]) -> tuple[int, int, int]:
    open_brackets: list[bool] = []
    nesting = loops = loop_depth = 0
    for index, token in enumerate(tokens):
        if token.kind != "operator":
            continue
        if token.text in "([{":
            open_brackets.append(_is_loop(tokens, index))
            loops += open_brackets[-1]
            nesting, loop_depth = max(nesting, len(open_brackets)), max(loop_depth, sum(open_brackets))
        elif token.text in ")]}" and open_brackets:
            open_brackets.pop()
    return nesting, loops, loop_depth
