"""Lists as they come: which kind, encoding, delimiter and heading they have, and what their rows are."""

import csv
import io
import json
import zipfile
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from jobs.domain.intake import formats, tables
from jobs.domain.intake.formats import BadFile, Format, Kind, detect
from jobs.domain.intake.tables import LONGEST_LINE, Row, open_table
from taskflow.lib.fields import dump_json

UNPACKED = 50_000_000
#: Pairs of a CSV and the rows it must give: the shared set where it is there.
SPECTRUM = sorted(Path("../shared/data/csv-spectrum").glob("*.csv"))


def read(data: bytes, **changes: Any) -> tuple[Format, list[Row]]:
    file = io.BytesIO(data)
    form = detect(file, most_unpacked=UNPACKED)
    if changes:
        form = Format(**{"kind": form.kind, "encoding": form.encoding, "delimiter": form.delimiter} | changes)
    return form, list(open_table(file, form).rows)


def values(data: bytes, **changes: Any) -> list[dict[str, Any]]:
    return [row.values for row in read(data, **changes)[1]]


def workbook(*rows: list[Any]) -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize("path", SPECTRUM, ids=lambda path: path.stem)
def test_every_pair_of_the_csv_spectrum(path):
    expected = json.loads(path.with_suffix(".json").read_text())
    data = path.read_bytes()
    # One pair names its heading otherwise than its file does.
    rows = [{"val" if key == "value" else key: value for key, value in row.items()} for row in expected]
    assert values(data) == rows
    assert read(data)[0] == Format(Kind.CSV)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_mark_between_cells_is_found(delimiter):
    text = f'Name{delimiter}Text\nann{delimiter}"a, b; c"\nbob{delimiter}d\n'
    assert read(text.encode())[0].delimiter == delimiter
    assert values(text.encode())[0] == {"Name": "ann", "Text": "a, b; c"}


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
    ],
)
def test_the_encoding_is_found(encoding, found):
    form, rows = read("Name;Straße\nJörg;Königsallee – 5 €\n".encode(encoding))
    assert form.encoding == found
    assert [row.values for row in rows] == [{"Name": "Jörg", "Straße": "Königsallee – 5 €"}]


def test_a_letter_beyond_the_beginning_decides_on_the_encoding():
    data = b"text\n" + b"plain\n" * 20_000 + "Köln\n".encode("cp1252")
    form, rows = read(data)
    assert form.encoding == "cp1252"
    assert rows[-1] == Row(20_002, {"text": "Köln"})


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("name,total\nann,5\n", True),
        ("ann,5\nbob,6\n", False),
        ("ann,ann@example.com\n", False),
        ("name,\nann,5\n", False),
        ("a,a\n1,2\n", False),
        ("2026-03-01,x\n", False),
        ("Question\nHow?\n", True),
    ],
)
def test_a_heading_is_told_from_a_first_row(text, header):
    assert read(text.encode())[0].header is header


def test_without_a_heading_columns_have_numbers():
    assert values(b"ann,5\nbob,6\n") == [{"Column 1": "ann", "Column 2": "5"}, {"Column 1": "bob", "Column 2": "6"}]


def test_a_persons_word_on_the_heading_counts():
    assert values(b"name,total\nann,5\n", header=False)[0] == {"Column 1": "name", "Column 2": "total"}


def test_names_of_columns_are_made_different():
    file = io.BytesIO(b"a, a ,,b,\n1,2,3,4,\n")
    assert open_table(file, Format(Kind.CSV)).columns == ("a", "a 2", "Column 3", "b")


def test_a_row_has_the_number_of_its_first_line_and_empty_ones_are_passed_over():
    rows = read(b'a,b\n1,2\n\n ,\n"x\ny",3\n4,5\n')[1]
    assert [row.number for row in rows] == [2, 5, 7]


def test_a_row_with_more_cells_than_columns_is_told_and_with_fewer_it_is_not():
    rows = read(b"a,b\n1,2,3\n1,2,,\n1\n")[1]
    assert [row.fault for row in rows] == ["It has 3 cells, and the list 2 columns.", "", ""]
    assert rows[2].values == {"a": "1"}


def test_the_line_in_which_a_spreadsheet_names_its_mark_is_heeded_and_no_row():
    form, rows = read(b"sep=;\nname;total\nann, b;5\n")
    assert form.delimiter == ";"
    assert [row.values for row in rows] == [{"name": "ann, b", "total": "5"}]


@pytest.fixture
def short_cells(monkeypatch):
    """Cells of at most a thousand characters; the limit is one of the process, so it is put back."""
    monkeypatch.setattr(tables, "LONGEST_CELL", 1_000)
    kept = csv.field_size_limit()
    yield
    csv.field_size_limit(kept)


@pytest.mark.usefixtures("short_cells")
def test_a_first_row_that_cannot_be_read_refuses_the_list():
    with pytest.raises(BadFile, match="longer than 1,000"):
        read(b'a,"' + b"x" * 3_000 + b'"\n')


def test_an_encoding_that_does_not_fit_is_told():
    with pytest.raises(BadFile, match="The first row cannot be read"):
        open_table(io.BytesIO(b"a,b\n"), Format(Kind.CSV, "utf-16"))


@pytest.mark.usefixtures("short_cells")
def test_a_mark_that_is_not_closed_costs_its_row_and_is_told():
    rows = read(b'a,b\n1,2\n3,"' + b"x\n" * 3_000 + b"\n")[1]
    assert rows[0].values == {"a": "1", "b": "2"}
    assert "a quotation mark may not be closed" in rows[1].fault
    assert rows[1].number == 3


def test_json_lines_keep_their_types_and_bad_lines_are_told_by_number():
    data = b'{"a": 1, "b": [true]}\n\nnonsense\n[1]\n{"a": NaN}\n{"a": "\xc3\x28"}\n{"c": null}'
    form, rows = read(data)
    assert form.kind is Kind.JSONL
    assert rows[0].values == {"a": 1, "b": [True]}
    assert rows[-1] == Row(7, {"c": None})
    faults = {row.number: row.fault for row in rows if row.fault}
    assert faults.keys() == {3, 4, 5, 6}
    assert faults[4] == "The line holds no JSON object."


def test_a_line_that_never_ends_is_one_bad_line():
    rows = read(b'{"a": 1}\n{"a": "' + b"x" * (LONGEST_LINE * 2) + b'"}\n{"a": 2}\n')[1]
    assert [row.number for row in rows] == [1, 2, 3]
    assert "longer than" in rows[1].fault


def test_a_workbook_gives_its_values_as_json():
    data = workbook(
        ["Name", "Total", "Day", "At", "Paid", None],
        ["ann", 5.0, date(2026, 3, 1), datetime.fromisoformat("2026-03-01T09:30:00"), True],
        [None, None],
        ["bob", 1.25, None, "=1+1"],
    )
    form, rows = read(data)
    assert form == Format(Kind.XLSX)
    assert rows[0].values == {"Name": "ann", "Total": 5, "Day": "2026-03-01", "At": "2026-03-01T09:30:00", "Paid": True}
    assert rows[1].number == 4
    assert rows[1].values["Total"] == 1.25
    json.loads(dump_json(rows[0].values))


def test_times_and_spans_of_a_workbook_become_texts():
    rows = values(workbook(["At", "Took"], [time(9, 30), timedelta(hours=1)]))
    assert rows == [{"At": "09:30:00", "Took": "1:00:00"}]
    assert [tables.plain_cell(cell) for cell in (5.0, 5.5, None)] == [5, 5.5, ""]


def test_a_workbook_of_charts_has_no_rows():
    book, file = Workbook(), io.BytesIO()
    book.remove(book.active)
    book.create_chartsheet()
    book.save(file)
    with pytest.raises(BadFile, match="no sheet with cells"):
        read(file.getvalue())


def test_a_workbook_whose_rows_break_off_is_told():
    with zipfile.ZipFile(io.BytesIO(workbook(["a"], ["b"]))) as whole:
        parts = [(name, whole.read(name)) for name in whole.namelist()]
    cut = [(name, data[:-60] if name.endswith("sheet1.xml") else data) for name, data in parts]
    with pytest.raises(BadFile, match="cannot be read to the end"):
        read(archive(*cut))


def archive(*parts: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts:
            made.writestr(name, content)
    return file.getvalue()


def test_a_workbook_that_unpacks_to_too_much_is_refused():
    bomb = archive(("[Content_Types].xml", b""), ("xl/sharedStrings.xml", b"0" * 60_000_000))
    with pytest.raises(BadFile, match="unpacks to 60,000,000 bytes"):
        read(bomb)
    with pytest.raises(BadFile, match="more than is read"):
        detect(io.BytesIO(workbook(["a"])), most_unpacked=100)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "The file is empty."),
        (b" \n\r\n", "The file is empty."),
        (b"%PDF-1.4 ...", "This is no list."),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Save it as .xlsx or CSV."),
        (b"a,b\n\x00\x01", "This is no text."),
        (archive(("a.txt", b"x")), "no Excel workbook"),
        (workbook(["a"])[:300], "damaged"),
        (archive(("[Content_Types].xml", b"<x/>"), ("xl/workbook.xml", b"<y/>")), "damaged"),
        (workbook(), "The file has no rows."),
        (b'{"a": \n', "None of the first lines is a JSON object."),
        (b",".join(b"c%d" % number for number in range(1_200)) + b"\n", "1000 at most"),
    ],
)
def test_what_is_no_list_is_refused_in_words(data, reason):
    with pytest.raises(BadFile, match=reason):
        read(data)


@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8), min_size=2, max_size=4),
        max_size=5,
    )
)
@settings(deadline=None, max_examples=60)
def test_whatever_a_csv_holds_it_is_read_to_the_end(rows):
    text = "name,total\r\n" + "\r\n".join(
        ",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row) for row in rows
    )
    for row in open_table(io.BytesIO(text.encode()), Format(Kind.CSV)).rows:
        assert row.fault or set(row.values) <= {"name", "total"}


@given(st.binary(min_size=1, max_size=300))
@settings(deadline=None, max_examples=80)
def test_any_bytes_are_read_or_refused(data):
    with suppress(BadFile):
        assert read(data)[0].kind in Kind


def test_formats_are_kept_as_json():
    form = Format(Kind.CSV, "cp1252", ";", header=False)
    assert Format.from_json(json.loads(json.dumps(form.to_json()))) == form
    assert formats.DELIMITERS[0] == ","
