"""How often the gallery's starter workflows are right: the reports on invoices, receipts, posts and tickets."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from bench.accuracy_data import INVOICE_FIELDS, LABELS, TYPES, Item
from bench.accuracy_runs import Outcome
from bench.results import table
from workflows.domain.extraction.dates import find_dates
from workflows.domain.extraction.money import parse_amount

Done = list[tuple[Item, Outcome]]
#: A team of the demo's tickets -> the starter's topic. Questions about cards have none of their own there.
TOPIC_OF = {
    "security": "security",
    "account": "account",
    "identity": "account",
    **dict.fromkeys(("payments", "cash", "transfers", "top_up", "fees_exchange"), "billing"),
}


def plain(text: object) -> str:
    return re.sub(r"[^A-Z0-9]", "", str(text or "").upper())


def same_day(found: object, expected: str) -> bool:
    known = next(find_dates([expected]), None)
    return known is not None and date.isoformat(known.value) == found


def same_amount(found: object, expected: str) -> bool:
    return isinstance(found, (int, float)) and Decimal(str(found)) == parse_amount(expected)


def right(field: str, found: object, expected: str) -> bool:
    """Say whether a value is the one expected: dates and amounts by value, texts by letters and figures."""
    if field in ("date", "due_date"):
        return same_day(found, expected)
    if field == "total":
        return same_amount(found, f"{expected}0" if re.search(r"\.\d$", expected) else expected)
    return plain(found) == plain(expected)


def invoices_report(done: Done) -> str:
    """Return the Markdown about invoices: each field of each document."""
    rows = []
    for field in INVOICE_FIELDS:
        known = [(item, outcome) for item, outcome in done if field in item.expected]
        good = sum(right(field, outcome.result.get(field), item.expected[field]) for item, outcome in known)
        wrong = [
            f"{outcome.result.get(field)} for {item.expected[field]}"
            for item, outcome in known
            if not right(field, outcome.result.get(field), item.expected[field])
        ]
        rows.append([field, f"{good} of {len(known)}", f"{good / max(len(known), 1):.3f}", "; ".join(wrong)])
    return f"""### Invoices through the starter

{len(done)} invoices (invoice2data) of as many issuers, their text by pypdf with its layout. Dates and amounts are
compared by value, texts by letters and figures. No rule names an issuer, but all {len(done)} documents were looked at
while the rules were written: what they say of other invoices is little. The supplier of one is in a picture only.

{table(("field", "right", "share", "wrong"), rows)}
"""


def receipts_report(done: Done) -> str:
    """Return the Markdown about receipts through the starter for invoices."""
    names = {"supplier": "company", "date": "date", "total": "total"}
    held = [one for one in done if one[0].held_out]
    rows = [[ours, *(share(part, ours, theirs) for part in (done, held))] for ours, theirs in names.items()]
    return f"""### Receipts through the starter for invoices

{len(done)} receipts (SROIE, training split), {len(held)} of companies that no rule was written from. Compared as above.

{table(("field", "right", "right, held-out companies"), rows)}
"""


def share(done: Done, ours: str, theirs: str) -> str:
    good = sum(right(ours, outcome.result.get(ours), item.expected[theirs]) for item, outcome in done)
    return f"{good / max(len(done), 1):.3f}"


def moderation_report(done: Done) -> str:
    """Return the Markdown about posts, on the half that no word was learned from."""
    held = [one for one in done if one[0].held_out]
    pairs = [(item.expected["label"], str(outcome.result.get("label"))) for item, outcome in held]
    routes = Counter(str(outcome.result.get("route")) for _, outcome in held)
    return f"""### Posts through the starter for moderation

{len(held)} of {len(done)} posts (Davidson et al.): the half that no word was learned from (by a hash of the text;
copies of one text stay together). Offensive posts are 77 % of the set, so the share that is right says little: macro-F1
is the figure. How many words to keep was chosen on this half.

{label_table(pairs, LABELS)}

Routes: {", ".join(f"{name} {count}" for name, count in sorted(routes.items()))}.
"""


def tickets_report(desk: Done, questions: Done) -> str:
    """Return the Markdown about tickets through the starter."""
    types = [(item.expected["type"], str(outcome.result.get("type"))) for item, outcome in desk]
    topics = [
        (TOPIC_OF[item.expected["team"]], str(outcome.result.get("topic")))
        for item, outcome in questions
        if item.expected["team"] in TOPIC_OF
    ]
    return f"""### Tickets through the starter for support tickets

Its words were written by hand and know neither set. Type, on {len(desk)} IT tickets (Endava) whose text was cleaned of
names, figures and common words by its publisher; nine of ten are requests:

{label_table(types, tuple(dict.fromkeys(TYPES.values())))}

Topic, on {len(topics)} questions of a bank's customers (Banking77) about money, access and fraud:

{label_table(topics, ("billing", "account", "security"))}
"""


def label_table(pairs: Sequence[tuple[str, str]], labels: Sequence[str]) -> str:
    """Return precision, recall and F1 of each label, their mean, and how many are right."""
    rows, f1s = [], []
    for label in labels:
        hits = sum(expected == found == label for expected, found in pairs)
        precision = hits / max(sum(found == label for _, found in pairs), 1)
        recall = hits / max(sum(expected == label for expected, _ in pairs), 1)
        f1s.append(2 * precision * recall / max(precision + recall, 1e-9))
        count = sum(expected == label for expected, _ in pairs)
        rows.append([label, count, f"{precision:.3f}", f"{recall:.3f}", f"{f1s[-1]:.3f}"])
    good = sum(expected == found for expected, found in pairs) / max(len(pairs), 1)
    rows.append(["all", len(pairs), "", f"{good:.3f} right", f"{sum(f1s) / len(f1s):.3f} macro"])
    return table(("label", "items", "precision", "recall", "F1"), rows)
