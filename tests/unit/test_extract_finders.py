"""The typed finders of the `extract` step: dates, money, names and addresses in text as it is printed."""

from datetime import UTC, datetime
from typing import Any

import pytest

from workflows.domain.outcomes import Done
from workflows.kinds.base import StepContext
from workflows.kinds.extract import Extract
from workflows.kinds.extract.config import ExtractConfig


def find(text: str, rule: dict[str, Any], **field: Any) -> Any:
    extract = Extract(ExtractConfig.model_validate({"fields": [{"name": "found", "rules": [rule]} | field]}))
    now = datetime(2026, 3, 1, tzinfo=UTC)
    outcome = extract.run(StepContext(payload={"text": text}, steps={}, job={}, tenant={}, now=now))
    assert isinstance(outcome, Done)
    return outcome.output["found"]


@pytest.mark.parametrize(
    ("printed", "iso"),
    [
        ("25/12/2018", "2018-12-25"),
        ("25-12-18", "2018-12-25"),
        ("25.12.2018", "2018-12-25"),
        ("2018-12-25", "2018-12-25"),
        ("2018/12/25", "2018-12-25"),
        ("25 DEC 2018", "2018-12-25"),
        ("25-Dec-18", "2018-12-25"),
        ("25DEC2018", "2018-12-25"),
        ("1st March 2026", "2026-03-01"),
        ("March 1, 2026", "2026-03-01"),
        ("3/4/2018", "2018-04-03"),
        ("7. Mai 2026", "2026-05-07"),
        ("1er août 2026", "2026-08-01"),
        ("3 maart 2026", "2026-03-03"),
    ],
)
def test_a_date_is_found_in_many_printed_forms(printed, iso):
    text = f"Sale\n{printed} 18:31:02\nthanks"
    assert find(text, {"rule": "date"}) == printed
    assert find(text, {"rule": "date"}, type="date") == iso


@pytest.mark.parametrize("text", ["31/31/2018", "12/2018", "03-1234 5678", "192.168.1.1", "1.25.12.2018", "Dec"])
def test_what_is_no_day_is_no_date(text):
    assert find(text, {"rule": "date"}) is None


def test_the_order_of_day_and_month_can_be_chosen():
    field = {"type": "date", "order": "month_first"}
    assert find("3/4/2018", {"rule": "date", "order": "month_first"}, **field) == "2018-03-04"
    assert find("25/4/2018", {"rule": "date", "order": "month_first"}, **field) == "2018-04-25"


def test_a_date_beside_its_label_is_preferred_and_one_beside_another_comes_last():
    text = "Printed 01/01/2020\nValid until: 02/02/2020\n03/03/2020\nDate\n:\n04/04/2020"
    rule = {"rule": "date", "labels": ["date"], "avoid": ["printed", "until"]}
    assert find(text, rule) == "04/04/2020"
    assert find("\n".join(text.splitlines()[:3]), rule) == "03/03/2020"
    assert find("\n".join(text.splitlines()[:2]), rule) == "01/01/2020"


def test_a_number_that_reads_as_a_date_only_the_other_way_round_comes_last():
    assert find("CK 11-22-31\n19-09-17 15:39", {"rule": "date"}) == "19-09-17"


LABELS = [
    {"points": 14, "words": ["GRAND TOTAL", "TOTAL PAYABLE"]},
    {"points": 8, "words": ["TOTAL"]},
    {"points": 3, "words": ["CASH"]},
    {"points": -6, "words": ["CHANGE", "TAX", "TOTAL TAX"]},
]


def money(text: str, **more: Any) -> Any:
    return find(text, {"rule": "money", "labels": LABELS} | more)


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("Total 12.50", "12.50"),
        ("Tax 99.00\nTotal 12.50\nChange 88.00", "12.50"),
        ("Total tax 99.00\nTotal 12.50", "12.50"),
        ("Total 10.00\nGrand total 12.50", "12.50"),
        ("Total 1,234.56", "1,234.56"),
        ("Total EUR 1.234,56", "1.234,56"),
        ("Total $8.20", "$8.20"),
        ("Total RM 8.20\n8.20", "8.20"),
        ("Total $5", "$5"),
        ("Total -1.73", "-1.73"),
        ("12.50 total", "12.50"),
        ("Total .90", ".90"),
        ("Items 3\nDiscount 10.00%\nRef 1/2.50", None),
        ("Total 0.00", None),
        ("", None),
    ],
)
def test_the_amount_with_the_best_label_is_the_one(text, total):
    assert money(text) == total


def test_a_label_may_stand_in_the_lines_above():
    assert money("2.00\nTotal\n:\nRM\n12.50\nTax\n0.75") == "12.50"


def test_in_columns_the_last_label_belongs_to_the_last_amount():
    assert money("Tax\nTotal\nCash\n0.75\n12.50\n20.00", arithmetic=False) == "12.50"
    assert money("Goods\nTax\nTotal\n0.75\n12.50", arithmetic=False) == "12.50"
    assert money("Total\n12.50\n7.00\n3.00", arithmetic=False) == "12.50"


def test_labels_below_a_heading_can_be_ignored():
    text = "Total 12.50\nTax summary\nGrand total 11.75"
    assert money(text) == "11.75"
    assert money(text, ignore_below=["tax summary"]) == "12.50"


@pytest.mark.parametrize(
    ("figures", "total"),
    [
        ("5.00\n12.50\n20.00\n7.50", "12.50"),
        ("30.00\n12.50\n12.50\n0.00\n30.00", "12.50"),
        ("30.00\n11.75\n0.75\n12.50", "12.50"),
        ("12.50\n30.00\n11.75\n0.75", "12.50"),
        ("30.00\n12.52\n-0.02\n12.50", "12.50"),
        ("30.00\n12.50\n12.48\n0.02", "12.50"),
    ],
)
def test_where_no_label_helps_the_figures_speak(figures, total):
    assert money(figures) == total
    assert money(figures, arithmetic=False) in ("20.00", "30.00")


@pytest.mark.parametrize(
    ("currency", "joined", "apart"),
    [("keep", "$8.20", "RM 5.00"), ("drop", "8.20", "5.00"), ("joined", "$8.20", "5.00")],
)
def test_a_printed_currency_is_kept_or_dropped_as_asked(currency, joined, apart):
    assert money("Total $8.20", currency=currency) == joined
    assert money("Total RM 5.00", currency=currency) == apart


def test_the_currencies_can_be_chosen():
    assert money("Total kr 5", currencies=["kr"], currency="keep") == "kr 5"
    assert money("Total kr 5") is None


COMPANY = {
    "rule": "company",
    "business": ["RESTAURANT", "TRADING", "BISTRO", "CAFE"],
    "rest": ["TRADING", "LTD"],
    "skip": ["TAX INVOICE", "WELCOME"],
    "details": ["TEL", "STREET"],
    "owner": ["OWNED BY"],
}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("WELCOME\nBLUE DOOR LTD\nTEL 1", "BLUE DOOR LTD"),
        ("JANE DOE\nBLUE DOOR LTD\nTEL 1", "BLUE DOOR LTD"),
        ("BLUE DOOR SDN BHD (867388-U)\n12", "BLUE DOOR SDN BHD"),
        ("BLUE DOOR S/B 273500-U (KSB)", "BLUE DOOR S/B"),
        ("JANE DOE\nBLUE DOOR\n(CO. NO: 1120908-M)", "BLUE DOOR"),
        ("JANE DOE\nBLUE RESTAURANT", "BLUE RESTAURANT"),
        ("THREE STOOGES\nBISTRO & CAFE", "THREE STOOGES"),
        ("3180303\nBLUE DOOR\nTRADING", "BLUE DOOR TRADING"),
        ("BLUE DOOR (ALL\nOF IT) GMBH", "BLUE DOOR (ALL OF IT) GMBH"),
        ("BLUE DOOR\nGMBH", "BLUE DOOR GMBH"),
        ("TAX INVOICE\nOwned by: BLUE DOOR LTD", "BLUE DOOR LTD"),
        ("BLUE DOOR\n5 STREET\n81100 TOWN\nRED DOOR LTD", "BLUE DOOR"),
        ("TAX INVOICE\n12345\nTEL 5", None),
        ("", None),
    ],
)
def test_the_company_is_the_line_that_looks_most_like_a_name(text, name):
    assert find(text, COMPANY) == name


def test_only_the_first_lines_are_looked_at_for_a_name():
    assert find("1\n2\nBLUE DOOR LTD", COMPANY | {"top": 2}) is None


ADDRESS = {"rule": "address", "street": ["STREET", "JALAN", "TAMAN"], "stop": ["TEL", "LTD", "INVOICE"]}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("BLUE LTD\n12 HIGH STREET\nOLD TOWN\nLONDON SW1A 1AA\nTEL 1", "12 HIGH STREET OLD TOWN LONDON SW1A 1AA"),
        (
            "BLUE LTD\nNO. 31G&33G,\nJALAN BESAR,\n40170 SHAH ALAM\n03-3362 4137",
            "NO. 31G&33G, JALAN BESAR, 40170 SHAH ALAM",
        ),
        ("BLUE LTD\n12\nTAMPOI\nINVOICE 1", "12 TAMPOI"),
        ("BLUE LTD\n1 MAIN STREET\nSPRINGFIELD, IL 62701", "1 MAIN STREET SPRINGFIELD, IL 62701"),
        (
            "BLUE LTD\nLOT 3 TAMAN A\n81100 TOWN\nINVOICE 1\nTO: 9 JALAN B\nTAMAN C\n81100 TOWN",
            "LOT 3 TAMAN A 81100 TOWN",
        ),
        ("BLUE LTD\n7\nINVOICE 1\n9 JALAN B\n81100 TOWN", "9 JALAN B 81100 TOWN"),
        ("BLUE LTD\n(867388-U)\n5 JALAN A\n18:31 01/02/2018", "5 JALAN A"),
        ("BLUE LTD\nTEL 1", None),
        ("", None),
    ],
)
def test_the_address_is_the_first_block_that_is_surely_one(text, address):
    assert find(text, ADDRESS) == address


def test_an_address_has_no_more_lines_than_allowed_and_is_joined_as_asked():
    text = "1 JALAN A\n2 JALAN B\n3 JALAN C"
    assert find(text, ADDRESS | {"most": 2, "join": ", "}) == "1 JALAN A, 2 JALAN B"
