"""What a rule keeps of a firing for the next one: the names under `last`."""

from collections.abc import Mapping

from workflows.domain.expressions.scan import scan

LAST = "last"
#: Where a name of `last` may come from by itself: the only other thing in the condition that ends in it.
SOURCES = frozenset({"event", "payload", "job", "tenant"})


def names_read(source: str) -> list[str]:
    """Return the names of `last` that an expression reads, in order."""
    paths = (reference.path for reference in scan(source).references)
    return list(dict.fromkeys(path[1] for path in paths if path[0] == LAST and len(path) > 1))


def remembered(condition: str, remember: Mapping[str, str]) -> dict[str, str]:
    """Return the expression of each name that is kept.

    What `remember` does not say is read from the condition: of `tenant.attributes.usage != last.usage`, `usage` is
    `tenant.attributes.usage`. A name that nothing gives is left out.
    """
    found = dict(remember)
    paths = [reference.path for reference in scan(condition).references]
    for name in names_read(condition):
        given = {".".join(path) for path in paths if path[0] in SOURCES and path[-1] == name}
        if name not in found and len(given) == 1:
            found[name] = given.pop()
    return found
