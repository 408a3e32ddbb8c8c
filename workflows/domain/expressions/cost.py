"""How much an expression could ask for, judged before it runs: the library itself has no limit."""

from collections.abc import Mapping
from typing import Any

from workflows.domain.expressions.scan import Reference, Scan

#: Rounds that loops may take in all.
MAX_ROUNDS = 100_000
#: Elements and characters that may be copied in all: well under a second.
MAX_COPIED = 20_000_000
#: So few values put together cannot grow into much.
FEW_JOINTS = 8


def excess(scanned: Scan, scope: Mapping[str, Any], *, parts: int = 0) -> str:
    """Return why `scope` is too large for the expression, or an empty text. A list may have `parts` elements anyway."""
    if not scanned.loops and scanned.joints <= FEW_JOINTS:
        return ""
    longest = max(_longest(scope), scanned.joints, parts)
    if scanned.loops and longest**scanned.loop_depth > MAX_ROUNDS:
        return f"the lists are too long to loop over (more than {MAX_ROUNDS} rounds)"
    # What stands inside a loop is copied in each round; sums in one loop can multiply what another made.
    in_loops = sum(_weight(_found(scope, one)) * longest**one.loops for one in scanned.references if one.loops)
    chain = max(scanned.loops, 1)
    growth = (1 + scanned.joints / chain) ** chain
    if in_loops > MAX_COPIED or _weight(scope) * growth > MAX_COPIED:
        return "the values are too large for what is to be done with them"
    return ""


def _found(scope: Mapping[str, Any], reference: Reference) -> Any:
    """Return what a reference reads, as far as it can be followed; null for the name of a loop."""
    found: Any = scope
    for key in reference.path:
        if not isinstance(found, Mapping) or key not in found:
            break
        found = found[key]
    return None if found is scope else found


def _longest(value: Any) -> int:
    """Return the length of the longest list or object within `value`."""
    longest, waiting = 0, [value]
    while waiting:
        items = waiting.pop()
        longest = max(longest, len(items))
        inner = items.values() if isinstance(items, Mapping) else items
        waiting.extend(item for item in inner if isinstance(item, (dict, list)))
    return longest


def _weight(value: Any) -> int:
    """Return how many elements and characters `value` holds in all."""
    weight, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        weight += len(item) if isinstance(item, str) else 1
        if isinstance(item, Mapping):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return weight
