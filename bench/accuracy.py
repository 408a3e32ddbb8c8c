"""How often the demo's and the gallery's workflows are right, on real receipts, invoices, tickets and posts.

    python -m bench.accuracy [--data DIR] [--url http://127.0.0.1:8000 --key KEY]

Without --url everything runs in memory; with it, the demo's workflows run as jobs of a running TaskFlow. The gallery's
always run in memory, where nobody is asked: as jobs they would wait for people. Writes the section `accuracy` of
bench/RESULTS.md. Exit status 2 where the data sets are not there.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import accuracy_gallery as gallery
from bench.accuracy_data import TEAMS, Item, NoData, help_desk, invoices, moderation, receipts, tickets
from bench.accuracy_runs import Outcome, Runner, ThroughApi, in_memory
from bench.results import table, write_section

FIELDS = ("company", "date", "address", "total")
Done = list[tuple[Item, Outcome]]


def plain(text: object) -> str:
    """Return the letters and figures of a value, in capitals: what is left when marks and spaces do not count."""
    return re.sub(r"[^A-Z0-9]", "", str(text or "").upper())


def exact(field: str, item: Item, outcome: Outcome) -> bool:
    return str(outcome.result.get(field) or "").strip() == item.expected[field]


def loose(field: str, item: Item, outcome: Outcome) -> bool:
    return plain(outcome.result.get(field)) == plain(item.expected[field])


def printed(field: str, item: Item, outcome: Outcome) -> bool:
    return plain(item.expected[field]) in plain(item.payload["text"])


def share(done: Done, right: Callable[[Item, Outcome], bool]) -> str:
    """Return how many of `done` are right, as a rate with three decimals."""
    return f"{sum(right(*one) for one in done) / len(done):.3f}" if done else "-"


def held_out(done: Done) -> Done:
    return [one for one in done if one[0].held_out]


def rates(field: str, done: Done) -> list[str]:
    """Return a field's row: exact on all, exact on the held-out part, loose on all, and what the text allows."""
    return [
        field,
        share(done, lambda item, outcome: exact(field, item, outcome)),
        share(held_out(done), lambda item, outcome: exact(field, item, outcome)),
        share(done, lambda item, outcome: loose(field, item, outcome)),
        share(done, lambda item, outcome: printed(field, item, outcome)),
    ]


def words_of(text: object) -> Counter[str]:
    return Counter(re.findall(r"[A-Z0-9]+", str(text or "").upper()))


def address_words(done: Done) -> tuple[float, float, float]:
    """Return the mean precision and recall of an address's words, and the recall that the text allows."""
    sums = [0.0, 0.0, 0.0]
    wanted = [(item, outcome) for item, outcome in done if item.expected["address"]]
    for item, outcome in wanted:
        expected, found = words_of(item.expected["address"]), words_of(outcome.result.get("address"))
        common = (expected & found).total()
        sums[0] += common / max(found.total(), 1)
        sums[1] += common / expected.total()
        sums[2] += (expected & words_of(item.payload["text"])).total() / expected.total()
    precision, recall, allowed = (value / max(len(wanted), 1) for value in sums)
    return precision, recall, allowed


def states(done: Done) -> str:
    """Return the states of the jobs, with the reasons of those that did not succeed."""
    counts = Counter(outcome.state for _, outcome in done)
    text = ", ".join(f"{count} {state}" for state, count in counts.most_common())
    reasons = Counter(outcome.error for _, outcome in done if outcome.state != "SUCCEEDED")
    return text + "".join(f"\n- {count} x {reason}" for reason, count in reasons.most_common(10))


def receipts_report(done: Done) -> str:
    """Return the Markdown about receipts."""
    precision, recall, allowed = address_words(done)
    routes = Counter(str(outcome.result.get("route")) for _, outcome in done)
    headings = ("field", "exact", "exact, held-out companies", "letters and figures only", "printed in the text")
    return f"""### Receipts

{len(done)} receipts (SROIE, training split), {len(held_out(done))} of them of companies that no rule was written from
(by a hash of the company). Exact: the same text. Jobs: {states(done)}.

{table(headings, [rates(field, done) for field in FIELDS])}

The last column is what copying from the text can reach at best. It is low for addresses because this set's recognised
text ends at the first comma of each printed line, where most addresses go on. Of the words in the address found,
{precision:.3f} belong to it; of the words of the address, {recall:.3f} are found, and {allowed:.3f} are in the text.

Routes: {", ".join(f"{name} {count}" for name, count in sorted(routes.items()))}.
"""


def tickets_report(done: Done) -> str:
    """Return the Markdown about tickets."""
    rows = [team_row(team, [one for one in done if one[0].expected["team"] == team]) for team in TEAMS]
    rows.append(team_row("all", done))
    headings = ("team", "questions", "right", "right, held-out questions")
    return f"""### Tickets

{len(done)} questions (Banking77, training split), {len(held_out(done))} of them held out (by a hash of the text) when
words and points were found; they only chose how many words to keep. The 77 categories are grouped into teams in
`bench/accuracy_data.py`; about 14 % of the set's own labels are suspected to be wrong (Ying and Thomas 2022).
Jobs: {states(done)}.

{table(headings, rows)}
"""


def team_row(team: str, done: Done) -> list[object]:
    def right(item: Item, outcome: Outcome) -> bool:
        return exact("team", item, outcome)

    return [team, len(done), share(done, right), share(held_out(done), right)]


def measure(run: Runner, workflow: str, items: Sequence[Item]) -> Done:
    """Run the items through a workflow."""
    return list(zip(items, run(workflow, [item.payload for item in items]), strict=True))


def main() -> None:
    """Measure, print the report and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the data sets")
    parser.add_argument("--url", "--api", dest="url", help="address of a running TaskFlow")
    parser.add_argument("--key", help="an API key that may read and write jobs")
    options = parser.parse_args()
    if options.url and not options.key:
        parser.error("--url needs --key")
    run: Runner = ThroughApi(options.url, options.key) if options.url else in_memory
    try:
        papers, questions = receipts(options.data), tickets(options.data)
        bills, posts, desk = invoices(options.data), moderation(options.data), help_desk(options.data)
    except NoData as missing:
        print(f"The data sets are not there: {missing} was not found. Say where they are with --data.", file=sys.stderr)
        sys.exit(2)
    way = "the demo's workflows as jobs over REST, the gallery's in memory" if options.url else "everything in memory"
    report = "\n".join(
        (
            f"`python -m bench.accuracy`: {way}.\n",
            receipts_report(measure(run, "receipts", papers)),
            tickets_report(measure(run, "tickets", questions)),
            gallery.invoices_report(measure(in_memory, "invoices", bills)),
            gallery.receipts_report(measure(in_memory, "invoices", papers)),
            gallery.moderation_report(measure(in_memory, "moderation", posts)),
            gallery.tickets_report(*(measure(in_memory, "support-tickets", each) for each in (desk, questions))),
        )
    )
    write_section("accuracy", report)
    print(report)


if __name__ == "__main__":
    main()
