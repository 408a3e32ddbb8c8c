"""How sure an answer is: by the probabilities of its tokens, or by how far several answers agree."""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from workflows.kinds.llm.question import json_part
from workflows.llm import Token

LOGPROBS, SAMPLES, STATED = "logprobs", "samples", "stated"
_SPACE = " \t\r\n,"


def token_confidence(text: str, tokens: Sequence[Token], names: Collection[str], *, joint: bool) -> float | None:
    """Return how probable the model found the values it wrote under `names`; None where that cannot be said.

    The probability of a value is the product of its tokens' (`joint`: right for a label, one of few), else their
    geometric mean, which does not punish length. Of several values the least sure counts.
    """
    if not tokens or "".join(token.text for token in tokens) != text:
        return None
    spans = [span for name, span in value_spans(text).items() if name in names]
    found = [sure for start, end in spans if (sure := _sure(tokens, start, end, joint=joint)) is not None]
    return min(found, default=None)


def _sure(tokens: Sequence[Token], start: int, end: int, *, joint: bool) -> float | None:
    place, inside = 0, []
    for token in tokens:
        if place < end and place + len(token.text) > start:
            inside.append(token.logprob)
        place += len(token.text)
    if not inside:
        return None
    total = math.fsum(inside)
    return min(math.exp(total if joint else total / len(inside)), 1.0)


def value_spans(text: str) -> dict[str, tuple[int, int]]:
    """Return where in `text` the values of its JSON object stand, without the quotes around a text."""
    body = json_part(text)
    offset = text.find(body)
    decoder, place, spans = json.JSONDecoder(), 1, {}
    try:
        while (place := _skip(body, place)) < len(body) and body[place] == '"':
            name, place = decoder.raw_decode(body, place)
            start = _skip(body, _skip(body, place) + 1)
            _, place = decoder.raw_decode(body, start)
            quoted = body[start] == '"'
            spans[name] = (offset + start + quoted, offset + place - quoted)
    except ValueError:
        return {}
    return spans


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in _SPACE:
        place += 1
    return place


def majority(answers: Sequence[Mapping[str, Any]], names: Iterable[str]) -> tuple[int, float]:
    """Return the place of the answer that most agree with in `names`, the first of equals, and the share that does."""
    wanted = list(names)
    votes = [json.dumps([answer.get(name) for name in wanted], sort_keys=True) for answer in answers]
    winner, count = Counter(votes).most_common(1)[0]
    return votes.index(winner), count / len(votes)
