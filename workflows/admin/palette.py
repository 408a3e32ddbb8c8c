"""The kinds of steps as people choose among them, and the icons a workflow may have."""

from collections.abc import Iterator
from dataclasses import dataclass

from workflows.kinds.base import StepKind
from workflows.kinds.registry import KINDS


@dataclass(frozen=True, slots=True)
class KindCard:
    """A kind of step to choose: what it is called, and what it does in one line."""

    name: str
    title: str
    icon: str
    told: str


@dataclass(frozen=True, slots=True)
class KindGroup:
    """Kinds that serve one purpose."""

    title: str
    kinds: list[KindCard]


#: Title -> the kinds in it: name, icon, one line.
GROUPS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Read": (
        ("document", "description", "Gets the text out of PDFs, Word files and e-mails that came with the item."),
        ("extract", "manage_search", "Finds fields in a text: names, dates, totals, lines of an invoice."),
    ),
    "Judge": (
        ("classify", "label", "Sorts an item: gives it the label that fits."),
        ("score", "speed", "Gives points by criteria, such as how well something fits."),
        ("predict", "model_training", "Asks a model that was trained on corrected examples."),
        ("validate", "fact_check", "Checks that fields are there and right."),
    ),
    "Make": (
        ("transform", "construction", "Makes new fields from those there are: texts, sums, dates."),
        ("generate", "edit_note", "Lets a language model write a text, such as an answer."),
    ),
    "Steer": (
        ("route", "alt_route", "Sends each item on its way by conditions: jump ahead, or finish."),
        ("approve", "how_to_reg", "Asks a person, and waits for the answer."),
        ("spawn", "account_tree", "Hands parts of the item to other workflows."),
    ),
    "Connect": (
        ("http", "http", "Sends data to another system, or fetches some."),
        ("notify", "notifications", "Tells people by e-mail or chat."),
        ("webhook_out", "webhook", "Sends a signed message to another system."),
        ("python", "code", "Runs a function that your developers provided."),
    ),
}
KNOWN = {name: (icon, told) for kinds in GROUPS.values() for name, icon, told in kinds}
OTHERS = "Others"
FALLBACK_ICON = "extension"

#: Material symbols, by what they may stand for.
ICONS = {
    "inbox": "Inbox",
    "mail": "Mail",
    "support_agent": "Support",
    "chat": "Chat",
    "receipt_long": "Receipt",
    "request_quote": "Quote",
    "payments": "Payment",
    "account_balance": "Bank",
    "shopping_cart": "Order",
    "inventory_2": "Parcel",
    "local_shipping": "Delivery",
    "description": "Document",
    "contract": "Contract",
    "badge": "Person",
    "group": "People",
    "school": "School",
    "medical_services": "Health",
    "shield": "Safety",
    "gavel": "Law",
    "flag": "Report",
    "star": "Rating",
    "campaign": "Campaign",
    "event": "Event",
    "bug_report": "Bug",
    "build": "Repair",
    "home": "House",
    "flight": "Travel",
    "bolt": "Energy",
}


def list_groups() -> list[KindGroup]:
    """Return the kinds that are registered, grouped; those that no group names come last."""
    groups = [
        KindGroup(title, [card_of(name) for name, _, _ in kinds if name in KINDS]) for title, kinds in GROUPS.items()
    ]
    groups.append(KindGroup(OTHERS, list(_others())))
    return [group for group in groups if group.kinds]


def card_of(name: str) -> KindCard:
    """Return a kind as it is shown; one that is not registered goes by its name."""
    kind = KINDS.get(name)
    if kind is None:
        return KindCard(name, name, "help", "This kind of step is not there any more.")
    icon, told = KNOWN.get(name, (FALLBACK_ICON, _first_line(kind)))
    return KindCard(name, kind.title, icon, told)


def _others() -> Iterator[KindCard]:
    yield from (card_of(name) for name in sorted(KINDS) if name not in KNOWN)


def _first_line(kind: type[StepKind]) -> str:  # type: ignore[type-arg]
    return (kind.__doc__ or "").strip().partition("\n")[0]
