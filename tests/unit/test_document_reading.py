"""What reading gives of each kind of document, and in which words it refuses; without the process around it."""

from datetime import datetime

import pytest

from tests.documents import hostile, made
from workflows.documents.answer import Answer, Unreadable, Wish
from workflows.documents.read import read_document


def read(name: str, data: bytes, **wish) -> Answer:
    return read_document(data, name, Wish(**wish))


def test_word_tables_keep_their_rows():
    answer = read("a.docx", made.word("Prices", table=[["Tea", "2.50"], ["Milk", "1"]]))
    assert answer.text == "Prices\nTea\t2.50\nMilk\t1"
    assert answer.facts["author"] == "Ada"


def test_a_workbook_gives_its_sheets_as_lines():
    book = made.workbook(
        Prices=[["Tea", 2.5, None], ["Milk", 1.0, datetime(2026, 3, 1)]],  # noqa: DTZ001 - as Excel has it
        Other=[["x"]],
    )
    answer = read("a.xlsx", book)
    assert answer.text == "# Prices\nTea\t2.5\nMilk\t1\t2026-03-01\n# Other\nx"
    assert answer.facts["sheets"] == ["Prices", "Other"]
    assert read("a.xlsx", book, pages=1).warnings == ["Only the first 1 of 2 sheets were read."]


def test_a_web_page_gives_what_people_see_of_it():
    page = b"<html><head><title>Shop &amp; more</title><style>x{}</style></head><body><h1>Tea</h1><script>no()</script>"
    answer = read("a.html", page + b"<table><tr><td>Milk</td><td>1&nbsp;EUR</td></tr></table></body></html>")
    assert answer.text == "Tea\n\nMilk\t1 EUR"
    assert answer.facts["title"] == "Shop & more"


def test_a_page_of_a_pdf_keeps_its_columns_only_if_it_should():
    pages = made.pdf("TOTAL 12.50", pages=3)
    assert read("a.pdf", pages).text.count("TOTAL 12.50") == 3
    assert read("a.pdf", pages, layout=False).text == "TOTAL 12.50\fTOTAL 12.50\fTOTAL 12.50"
    assert read("a.pdf", pages, pages=2).warnings == ["Only the first 2 of 3 pages were read."]
    assert read("a.pdf", pages, characters=5, layout=False).text == "TOTAL"


def test_a_message_gives_its_headers_and_text_and_on_request_its_attachments():
    raw = made.mail("See the bill.", attachments={"bill.pdf": made.pdf("TOTAL 7"), "x.bin": bytes(range(256))})
    answer = read("a.eml", raw)
    assert answer.text.splitlines()[0] == "From: Ann <ann@example.com>"
    assert "See the bill." in answer.text
    assert "TOTAL" not in answer.text
    assert answer.facts["attachments"] == ["bill.pdf", "x.bin"]
    whole = read("a.eml", raw, attachments=True)
    assert "--- bill.pdf ---" in whole.text
    assert "TOTAL 7" in whole.text
    assert whole.warnings[0].startswith("x.bin: This is a file of no known kind.")


def test_messages_within_messages_are_followed_only_so_far():
    raw = made.mail("innermost")
    for depth in range(4):
        raw = made.mail(f"depth {depth}", attachments={"inner.eml": raw})
    text = read("a.eml", raw, attachments=True).text
    assert "depth 1" in text
    assert "innermost" not in text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "cp1252", "utf-8"])
def test_text_is_read_in_the_encoding_it_has(encoding):
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    assert read("a.txt", mark + "Größe: 5 €".encode(encoding)).text == "Größe: 5 €"


def test_no_more_is_read_than_was_asked_for():
    for name, data in (("a.txt", b"x" * 100), ("a.docx", made.word(*["x" * 6] * 9)), ("a.html", b"<html>" + b"x" * 50)):
        answer = read(name, data, characters=10)
        assert len(answer.text.replace("\n", "")) == 10
        assert answer.warnings == ["Only the first 10 characters were taken."]
    sheet = read("a.xlsx", made.workbook(A=[["x" * 9], ["y" * 9]]), characters=10)
    assert sheet.warnings == ["Only the first 10 characters were taken."]


def test_a_wrong_ending_is_told_and_the_file_read_as_what_it_is():
    answer = read("report.pdf", made.word("Hello"))
    assert answer.text == "Hello"
    assert answer.warnings == ["The name ends in .pdf, but the file is a Word document; it was read as that."]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("scan.pdf", made.pdf(), "one page but no text: it is probably a scan"),
        ("cut.pdf", made.pdf("x")[:200], "damaged"),
        ("a.docx", made.word(), "holds no text"),
        ("a.docx", made.zip_of({"[Content_Types].xml": b"", "word/document.xml": b""}), "damaged"),
        ("a.xlsx", made.zip_of({"[Content_Types].xml": b"", "xl/workbook.xml": b""}), "damaged"),
        ("a.xlsx", made.workbook(Empty=[]), "holds no values"),
        ("a.zip", made.zip_of({"a.txt": b"x"}), "This is a ZIP archive. Such files cannot be read here"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "an old Office document"),
        ("a.bin", bytes(range(256)), "a file of no known kind"),
        ("a.txt", b" \n ", "holds no text"),
        ("a.txt", b"", "The file is empty"),
        ("a.eml", b"From: \nTo: \n\n", "neither a subject nor a text"),
        ("a.docx", hostile.billion_laughs(), "damaged"),
        ("a.pdf", hostile.circular_pdf(), "damaged"),
        ("a.eml", hostile.endless_mail(), "too deep"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words_for_people(name, data, words):
    with pytest.raises(Unreadable, match=words):
        read(name, data)


@pytest.mark.parametrize(
    "raw",
    [
        b'Subject: odd\nContent-Type: text/plain; charset="a\x00b"\nContent-Transfer-Encoding: 8bit\n\n\xff\xfe',
        b"Subject: odd\nContent-Type: text/plain; charset=nonsense\n\n\xff",
        b"Subject: =?utf-8?b?////?= =?x?q?=zz?= odd\nFrom: \xff <\n\nx",
        b"Subject: odd\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: a/b; name*=x'x'%ff\n\n\xff",
        b"Subject: odd\nDate: 99 Foo 99999\nContent-Transfer-Encoding: base64\n\n!!!!",
    ],
)
def test_a_message_that_is_malformed_gives_what_can_be_had_of_it(raw):
    assert "odd" in read("a.eml", raw).text


def test_a_document_cannot_take_files_of_this_machine_into_its_text(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("classified")
    assert read("a.docx", hostile.secret_reader(str(secret))).text == "seen:"
