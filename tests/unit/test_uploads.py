"""Files on their way in: names, limits, and how a payload names them."""

import pytest

from jobs.domain.uploads import UploadLimits, attachments_of, clean_name, new_upload, upload_problems, with_files
from taskflow.lib.ids import new_uid
from tests.documents.hostile import endless_mail
from tests.documents.made import mail
from workflows.domain.fields import InputField
from workflows.domain.files import MOST_REFERENCES, references_in, referred

UID = "01a214b0-6850-76c5-93d4-f7179028b300"


def upload(part="files", name="a.txt", data=b"x"):
    return new_upload(uid=new_uid(), part=part, name=name, data=data)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("bill.pdf", "bill.pdf"),
        (" /etc/../passwd ", "passwd"),
        ("c:\\files\\a.txt", "a.txt"),
        ("a\u202ecod.exe", "acod.exe"),
        ("...", "file"),
        ("", "file"),
        ("Größe 5 €.pdf", "Größe 5 €.pdf"),
        ("x" * 300, "x" * 255),
        ("x" * 300 + ".pdf", "x" * 244 + ".pdf"),
        ("x" * 250 + ".averylongending", "x" * 250 + ".aver"),
    ],
)
def test_a_name_is_made_fit_to_be_shown_and_saved(given, kept):
    assert clean_name(given) == kept


def test_types_are_taken_by_patterns_and_refused_by_those_with_a_mark():
    limits = UploadLimits(10, 2, ("image/*", "application/pdf", "!image/gif"))
    taken = [limits.allows(kind) for kind in ("image/png", "application/pdf", "image/gif", "text/plain")]
    assert taken == [True, True, False, False]


def test_every_file_that_cannot_be_taken_is_named():
    limits = UploadLimits(2, 3, ("text/*",))
    uploads = [upload(data=b"ok"), upload("b", data=b""), upload("c", data=b"xxx"), upload("d", data=b"\x00\x01")]
    assert [part for part, _ in upload_problems(uploads, limits)] == ["files", "b", "c", "d"]
    assert upload_problems(uploads[:1], limits) == []


def test_files_are_named_by_their_fields():
    fields = [InputField(key="one", type="file"), InputField(key="many", type="files"), InputField(key="text")]
    uploads = [upload("one"), upload("many"), upload("many"), upload("files"), upload("one"), upload("text")]
    payload, problems = with_files({"many": [{"id": UID}], "x": 1}, uploads, fields)
    assert payload["one"] == uploads[0].stored("").reference()
    assert [item["id"] for item in payload["many"]] == [UID, str(uploads[1].uid), str(uploads[2].uid)]
    assert payload["x"] == 1
    assert [part for part, _ in problems] == ["one", "text"]


def test_only_ids_name_files():
    assert referred({"id": UID}) is not None
    assert [referred(value) for value in ({"id": 5}, {"id": "x"}, {}, UID, None)] == [None] * 5
    payload = {"a": {"id": UID}, "b": [{"id": UID}, 5], "c": [{"id": UID}] * 200, "d": "text"}
    assert len(list(references_in(payload))) == MOST_REFERENCES


def test_a_message_gives_what_is_attached_to_it():
    assert attachments_of(upload(name="a.eml", data=mail(attachments={"b.txt": b"1"}))) == [("b.txt", b"1")]
    assert attachments_of(upload(name="a.eml", data=endless_mail())) == []
    assert attachments_of(upload()) == []
