"""The real receipts and tickets that accuracy is measured on, and the parts that no rule was written from.

Parts are by a hash, so that they stay the same: receipts by the company that issued them, tickets by their text.
"""

import csv
import hashlib
import html
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The 77 categories of Banking77, by the team that can answer.
TEAMS = {
    "cards": """
        activate_my_card apple_pay_or_google_pay card_about_to_expire card_acceptance card_arrival
        card_delivery_estimate card_linking card_not_working change_pin contactless_not_working
        disposable_card_limits get_disposable_virtual_card get_physical_card getting_spare_card
        getting_virtual_card order_physical_card pin_blocked virtual_card_not_working visa_or_mastercard""",
    "security": """
        card_payment_not_recognised cash_withdrawal_not_recognised compromised_card
        direct_debit_payment_not_recognised lost_or_stolen_card lost_or_stolen_phone""",
    "payments": """
        Refund_not_showing_up declined_card_payment pending_card_payment request_refund
        reverted_card_payment? transaction_charged_twice""",
    "cash": """
        atm_support card_swallowed declined_cash_withdrawal pending_cash_withdrawal
        wrong_amount_of_cash_received""",
    "transfers": """
        balance_not_updated_after_bank_transfer beneficiary_not_allowed cancel_transfer
        declined_transfer failed_transfer pending_transfer receiving_money transfer_into_account
        transfer_not_received_by_recipient transfer_timing""",
    "top_up": """
        automatic_top_up balance_not_updated_after_cheque_or_cash_deposit pending_top_up
        supported_cards_and_currencies top_up_by_cash_or_cheque top_up_failed top_up_limits
        top_up_reverted topping_up_by_card verify_top_up""",
    "fees_exchange": """
        card_payment_fee_charged card_payment_wrong_exchange_rate cash_withdrawal_charge exchange_charge
        exchange_rate exchange_via_app extra_charge_on_statement fiat_currency_support
        top_up_by_bank_transfer_charge top_up_by_card_charge transfer_fee_charged
        wrong_exchange_rate_for_cash_withdrawal""",
    "identity": """
        unable_to_verify_identity verify_my_identity verify_source_of_funds why_verify_identity""",
    "account": """
        age_limit country_support edit_personal_details passcode_forgotten terminate_account""",
}
TEAM_OF = {category: team for team, categories in TEAMS.items() for category in categories.split()}


class NoData(Exception):
    """The folder of the data sets is not there."""


@dataclass(frozen=True, slots=True)
class Item:
    """A payload, what must come out, and whether its part was held out when the rules were written."""

    payload: dict[str, Any]
    expected: dict[str, str]
    held_out: bool


def _bucket(text: str, size: int) -> int:
    return int(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), 16) % size


def receipts(folder: Path) -> list[Item]:
    """Return the receipts of SROIE; the companies of one hash bucket in four are held out. Raises NoData."""
    path = folder / "receipts-sroie" / "train.jsonl"
    if not path.exists():
        raise NoData(path)
    with path.open(encoding="utf-8") as lines:
        return [_receipt(json.loads(line)) for line in lines]


def _receipt(row: dict[str, Any]) -> Item:
    expected = {name: row["entities"].get(name, "").strip() for name in ("company", "date", "address", "total")}
    issuer = re.sub(r"[^A-Z0-9]", "", expected["company"].upper())[:10]
    return Item({"text": "\n".join(row["words"])}, expected, _bucket(issuer, 4) == 2)


def tickets(folder: Path) -> list[Item]:
    """Return the questions of Banking77 with the team of their category; 4 of 10 are held out. Raises NoData."""
    path = folder / "banking77" / "train.csv"
    if not path.exists():
        raise NoData(path)
    with path.open(encoding="utf-8", newline="") as lines:
        return [
            Item({"text": row["text"]}, {"team": TEAM_OF[row["category"]]}, _bucket(row["text"], 10) < 4)
            for row in csv.DictReader(lines)
        ]


#: What the people who judged the posts could say.
LABELS = ("hate", "offensive", "neither")


def moderation(folder: Path) -> list[Item]:
    """Return the posts of Davidson et al. with the majority's label; one half is held out. Raises NoData."""
    path = folder / "moderation-davidson" / "labeled_dev.csv"
    if not path.exists():
        raise NoData(path)
    with path.open(encoding="utf-8", newline="") as lines:
        return [_post(row) for row in csv.DictReader(lines)]


def _post(row: dict[str, str]) -> Item:
    """Return a post without links and names of users, whose words say nothing; copies of one text fall in one half."""
    plain = re.sub(r"(@\w+|https?://\S+)", "", row["tweet"].lower())
    text = re.sub(r"(@\w+|https?://\S+)", " ", html.unescape(row["tweet"])).strip() or "-"
    held_out = _bucket(re.sub(r"[^a-z ]", "", plain).strip(), 2) == 1
    return Item({"text": text}, {"label": LABELS[int(row["class"])]}, held_out)


def help_desk(folder: Path) -> list[Item]:
    """Return the IT tickets of Endava with their type. No rule was written from them. Raises NoData."""
    path = folder / "it-tickets-endava" / "tickets_dev.csv"
    if not path.exists():
        raise NoData(path)
    with path.open(encoding="utf-8", newline="") as lines:
        return [
            Item({"subject": row["title"], "text": row["body"]}, {"type": TYPES[row["ticket_type"]]}, True)
            for row in csv.DictReader(lines)
        ]


TYPES = {"1": "request", "0": "incident"}


def invoices(folder: Path) -> list[Item]:
    """Return the invoices of invoice2data: each PDF's text, and its fields by the starter's names. Raises NoData."""
    base = folder / "invoices-invoice2data"
    if not base.exists():
        raise NoData(base)
    return [_invoice(path) for path in sorted(base.glob("*.pdf"))]


#: The starter's field -> theirs.
INVOICE_FIELDS = {
    "supplier": "issuer",
    "invoice_number": "invoice_number",
    "date": "date",
    "due_date": "date_due",
    "total": "amount",
    "currency": "currency",
}


def _invoice(path: Path) -> Item:
    from pypdf import PdfReader

    text = "\n".join(page.extract_text(extraction_mode="layout") for page in PdfReader(path).pages)
    (known,) = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    expected = {ours: str(known[theirs]) for ours, theirs in INVOICE_FIELDS.items() if theirs in known}
    return Item({"text": text}, expected, held_out=False)
