"""The document step: what it gives of each kind of file, and in which words it refuses."""

from datetime import UTC, datetime

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from taskflow.lib.ids import new_uid
from tests.documents import made
from workflows.documents.sniff import sniff
from workflows.domain.files import StoredFile
from workflows.domain.outcomes import Done, PermanentError, TransientError
from workflows.kinds.base import ConfigError, StepContext
from workflows.kinds.document import DocumentError
from workflows.kinds.registry import make_runner

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _storage(settings, tmp_path):
    folder = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = settings.STORAGES | {"default": folder}


@pytest.fixture
def far_storage(settings):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": "tests.storage.FarStorage"}}


def keep(name: str, data: bytes) -> StoredFile:
    uid = new_uid()
    key = default_storage.save(f"kept/{uid}", ContentFile(data))
    return StoredFile(uid, name, sniff(data, name), len(data), "", key)


def context(*files: StoredFile, payload=None) -> StepContext:
    return StepContext(payload or {}, {}, {"id": "j"}, {"slug": "acme"}, NOW, files=files)


def read(*files: StoredFile, payload=None, **config):
    outcome = make_runner("document", config).run(context(*files, payload=payload))
    assert isinstance(outcome, Done)
    return outcome.output


def refusal(*files: StoredFile, **config) -> str:
    with pytest.raises(DocumentError) as caught:
        make_runner("document", config).run(context(*files))
    return str(caught.value)


def test_the_first_file_is_read_with_what_it_says_of_itself():
    file = keep("bill.pdf", made.pdf("TOTAL 12.50", "Thank you", pages=2))
    output = read(file, keep("b.txt", b"other"))
    assert "TOTAL 12.50" in output["text"]
    assert output["text"].count("Thank you") == 2
    assert output["document"] == {"file": "bill.pdf", "id": str(file.uid), "type": "application/pdf", "pages": 2}
    assert output["warnings"] == []


def test_all_files_are_read_in_their_order_and_what_cannot_be_read_is_said():
    files = [keep("a.txt", b"one"), keep("b.png", b"\x89PNG\r\n\x1a\n1234"), keep("c.txt", b"three")]
    output = read(*files, file="all", into="all_text")
    assert output["all_text"] == "one\n\nthree"
    assert [document["file"] for document in output["documents"]] == ["a.txt", "c.txt"]
    assert "'b.png': This is a picture." in output["warnings"][0]


def test_a_field_of_the_payload_names_the_file():
    one, two = keep("a.txt", b"one"), keep("b.txt", b"two")
    payload = {"paper": two.reference(), "papers": [one.reference(), two.reference()], "gone": {"id": str(new_uid())}}
    assert read(one, two, payload=payload, file="payload.paper")["text"] == "two"
    assert read(one, two, payload=payload, file="papers[1]")["text"] == "two"
    assert read(one, two, payload=payload, file="papers")["text"] == "one"
    with pytest.raises(DocumentError, match=r"payload\.gone names is not there"):
        read(one, payload=payload, file="payload.gone")


def test_only_files_of_the_chosen_types_are_read():
    files = [keep("a.txt", b"one"), keep("b.html", b"<html><body>two</body></html>")]
    assert read(*files, types=["html", "pdf"])["text"] == "two"
    assert refusal(files[0], types=["pdf"]) == "None of the files is of the types pdf: 'a.txt'."


def test_without_a_file_a_text_of_the_payload_may_stand_in():
    assert read(payload={"text": "typed"}, fallback="payload.text")["text"] == "typed"
    assert read(keep("a.txt", b"one"), payload={"text": "typed"}, fallback="payload.text")["text"] == "one"
    assert refusal(fallback="payload.text") == refusal() == "The job has no file to read. Send one with it."


def test_a_storage_that_is_no_folder_is_read_too(far_storage):
    assert read(keep("a.txt", b"from afar"))["text"] == "from afar"


def test_a_scan_fails_the_step_or_gives_an_empty_text():
    scan = keep("scan.pdf", made.pdf())
    assert refusal(scan).startswith("'scan.pdf': The PDF has one page but no text")
    output = read(scan, on_unreadable="continue")
    assert (output["text"], output["document"]) == ("", {})
    assert "probably a scan" in output["warnings"][0]


def test_a_reader_that_meets_its_limits_is_ended_and_the_step_says_so(settings):
    settings.DOCUMENT_MEMORY_MB = 20
    assert "memory" in refusal(keep("a.docx", made.word("x" * 1000)))


def test_a_file_the_storage_has_lost_is_told():
    file = keep("a.txt", b"x")
    default_storage.delete(file.key)
    assert "is not in the storage any more" in refusal(file)


def test_a_machine_that_is_too_busy_makes_the_step_try_again(settings):
    settings.DOCUMENT_SECONDS = 0.001
    with pytest.raises(TransientError, match="was not read within"):
        make_runner("document", {}).run(context(keep("a.txt", b"x")))


def test_what_is_wrong_with_the_config_is_told():
    for config, place in (({"file": "a b"}, "file"), ({"fallback": "a b"}, "fallback")):
        with pytest.raises(ConfigError) as caught:
            make_runner("document", config)
        assert caught.value.field == place
    assert make_runner("document", {"file": "steps.mail.paper"}).references[0].key == "mail"
    schema = make_runner("document", {"into": "body"}).output_schema()
    assert schema["required"] == ["body", "document", "warnings"]


def test_an_error_of_a_document_is_permanent():
    assert issubclass(DocumentError, PermanentError)
