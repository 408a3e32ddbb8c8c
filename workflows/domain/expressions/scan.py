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
    """A name the expression reads, with the keys it follows from there: `steps.totals.sum` or `payload["a b"]`.

    `loops` is how many list macros it stands inside of; one that is `asked` stands in `has()`.
    """

    path: tuple[str, ...]
    start: int
    loops: int
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """What an expression's text tells. `loops` counts list macros, `loop_depth` those inside one another.

    `joints` counts what puts values together (+ and commas), `open_quote` is where a text begins that does not end.
    """

    references: tuple[Reference, ...]
    loop_names: tuple[Token, ...]
    nesting: int
    operators: int
    loops: int
    loop_depth: int
    joints: int
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
    brackets, loops = _depths(tokens)
    return Scan(
        references=tuple(_references(tokens, loops)),
        loop_names=tuple(_loop_names(tokens)),
        nesting=max(brackets, default=0),
        operators=sum(token.kind == "operator" and token.text not in "()[]{},." for token in tokens),
        loops=sum(_is_loop(tokens, index) for index in range(len(tokens))),
        loop_depth=max(loops, default=0),
        joints=sum(token.text in ("+", ",") for token in tokens),
        open_quote=next((token.start for token in tokens if token.text in ("'", '"')), None),
    )


def _text(tokens: list[Token], index: int) -> str:
    return tokens[index].text if 0 <= index < len(tokens) else ""


def _references(tokens: list[Token], loops: list[int]) -> Iterator[Reference]:
    for index, token in enumerate(tokens):
        if token.kind != "word" or token.text in LITERALS:
            continue
        if _text(tokens, index - 1) == "." or _text(tokens, index + 1) == "(":
            continue
        asked = _text(tokens, index - 1) == "(" and _text(tokens, index - 2) == "has"
        yield Reference((token.text, *_keys_after(tokens, index + 1)), token.start, loops[index], asked)


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


def _depths(tokens: list[Token]) -> tuple[list[int], list[int]]:
    """Return, for each token, how many brackets are open there, and how many of them are list macros."""
    is_open: list[bool] = []
    brackets, loops = [], []
    for index, token in enumerate(tokens):
        if token.kind == "operator" and token.text in "([{":
            is_open.append(_is_loop(tokens, index))
        brackets.append(len(is_open))
        loops.append(sum(is_open))
        if token.kind == "operator" and token.text in ")]}" and is_open:
            is_open.pop()
    return brackets, loops
