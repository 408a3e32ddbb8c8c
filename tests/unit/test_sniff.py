"""What a file is, by its bytes; its name decides among kinds of text alone."""

import struct

import pytest

from tests.documents import made
from workflows.documents.sniff import say, sniff, zip_names


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (b"", "a.pdf", "application/x-empty"),
        (made.pdf("x"), "a.txt", "application/pdf"),
        (b"\n" * 100 + made.pdf("x"), "a", "application/pdf"),
        (made.word("x"), "a.pdf", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (made.workbook(A=[[1]]), "a.docx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (made.zip_of({"word/x": b"1"}), "a.docx", "application/zip"),
        (made.zip_of({}), "a.docx", "application/zip"),
        (made.mail(), "a", "message/rfc822"),
        (made.mail("%PDF-1.4 in a message"), "a", "message/rfc822"),
        (b"From someone Mon Mar 2\nFrom: a@b.c\nTo: d@e.f\n\nx", "a", "message/rfc822"),
        (b"Garbage\n\nx", "a.eml", "message/rfc822"),
        (b"<p>no message</p>", "a.eml", "text/plain"),
        (b"Note: buy milk", "a", "text/plain"),
        (b"<!DOCTYPE html><p>x", "a.txt", "text/html"),
        (b"<?xml version='1.0'?><a/>", "a", "application/xml"),
        (b"a,b\n1,2", "a.csv", "text/csv"),
        (b"a,b\n1,2", "a", "text/plain"),
        (b"{}", "a.json", "application/json"),
        (b"MZ\x90\x00\x03", "a.txt", "application/x-executable"),
        (b"MZ is the mark of a man", "a.txt", "text/plain"),
        (b"BM and so on", "a.txt", "text/plain"),
        (b"\x89PNG\r\n\x1a\n", "a", "image/png"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "a", "image/webp"),
        (b"{\\rtf1 x}", "a.doc", "application/rtf"),
        ("Größe".encode("utf-16"), "a.txt", "text/plain"),
        (bytes(range(256)), "a.txt", "application/octet-stream"),
        (b"\x00" * 10, "a.csv", "application/octet-stream"),
    ],
)
def test_bytes_say_what_a_file_is(data, name, expected):
    assert sniff(data, name) == expected


def test_a_directory_that_is_cut_off_or_points_nowhere_gives_what_there_is():
    whole = made.zip_of({"a": b"1", "b": b"2"})
    assert list(zip_names(whole)) == ["a", "b"]
    assert list(zip_names(whole[:-22])) == []
    assert list(zip_names(whole[:-10])) == []
    far = whole[:-6] + struct.pack("<L", 2**31) + whole[-2:]
    assert list(zip_names(far)) == []


def test_every_type_has_a_name_for_people():
    assert [say(kind) for kind in ("application/pdf", "image/png", "x/y")] == [
        "a PDF",
        "a picture",
        "a file of no known kind",
    ]
