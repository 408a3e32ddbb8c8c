"""The `document` step: reads the text of a job's files."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from django.conf import settings
from pydantic import Field

from workflows.documents.answer import Answer, Unreadable, Wish
from workflows.documents.child import ReaderTimeout, read_in_child
from workflows.documents.sniff import CSV, DOCX, EML, HTML, PDF, TEXT, XLSX
from workflows.documents.stored import opened
from workflows.domain.files import StoredFile, referred
from workflows.domain.hints import Advanced, DataPath, Wording
from workflows.domain.outcomes import Done, Outcome, PermanentError, Record, TransientError
from workflows.kinds.base import Effect, StepConfig, StepContext, StepKind
from workflows.kinds.language import OutputName, is_path, value_at

Type = Literal["pdf", "docx", "xlsx", "csv", "html", "eml", "text"]
TYPES: dict[str, str] = {
    "pdf": PDF,
    "docx": DOCX,
    "xlsx": XLSX,
    "csv": CSV,
    "html": HTML,
    "eml": EML,
    "text": TEXT,
}
NAMES_OF_TYPES = Wording(
    (
        ("pdf", "PDF"),
        ("docx", "Word (docx)"),
        ("xlsx", "Excel (xlsx)"),
        ("csv", "CSV"),
        ("html", "Web page (html)"),
        ("eml", "Mail (eml)"),
        ("text", "Plain text"),
    )
)
FIRST, ALL = "first", "all"
MOST_FILES = 20
NO_FILE = "The job has no file to read. Send one with it."
NEITHER = "The job has neither a file nor a text in {}. Send one of them."
MOST_WARNINGS = 20
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")


class DocumentError(PermanentError):
    """The document cannot be read."""


class DocumentTimeout(TransientError):
    """The document was not read in time, because the machine is busy."""


class StorageError(TransientError):
    """The storage of the files did not answer."""


class DocumentConfig(StepConfig):
    """Which file to read, and how much of it."""

    file: Annotated[
        str,
        Field(
            title="File",
            min_length=1,
            max_length=200,
            description="Or the field that names it, as in payload.invoice",
        ),
        DataPath(also=((FIRST, "The first file"), (ALL, "All files"))),
    ] = FIRST
    types: Annotated[
        tuple[Type, ...],
        Field(title="Only these types", max_length=len(TYPES), description="None: every type."),
        NAMES_OF_TYPES,
    ] = ()
    pages: Annotated[int, Field(title="Pages or sheets at most", ge=1, le=2000), Advanced()] = 200
    characters: Annotated[int, Field(title="Characters at most", ge=1, le=500_000), Advanced()] = 200_000
    layout: Annotated[
        bool, Field(title="Keep the layout", description="Of PDFs: columns and rows stay beside one another.")
    ] = True
    attachments: Annotated[
        bool, Field(title="Read attachments too", description="Of e-mail messages: the text of what is attached.")
    ] = False
    fallback: Annotated[
        str | None,
        Field(
            title="Text to take without a file",
            max_length=200,
            description="Where the job has no file: the field whose text stands in for it, like payload.text",
        ),
        DataPath(),
    ] = None
    into: Annotated[OutputName, Field(title="Name of the text", description="Later steps read it as record.NAME.")] = (
        "text"
    )
    on_unreadable: Annotated[
        Literal["fail", "continue"],
        Field(
            title="A file that cannot be read",
            description="Scans, passwords, damage, other types.",
        ),
        Wording((("fail", "Fail the job with the reason"), ("continue", "Go on with an empty text"))),
    ] = "fail"


class Document(StepKind[DocumentConfig]):
    """Reads the text of a job's files, in a process of its own. Reading again costs seconds: the result is kept."""

    name = "document"
    title = "Read a document"
    Config = DocumentConfig
    effect = Effect.COSTLY
    needs_files = True

    def prepare(self) -> None:
        for place, path in (("file", self.config.file), ("fallback", self.config.fallback)):
            if path is None or (place == "file" and path in (FIRST, ALL)):
                continue
            if not is_path(path):
                self.problem(place, f"'{path}' is not a path like payload.{'invoice' if place == 'file' else 'text'}")
            elif path.startswith("steps."):
                self.refer(place, (path.split(".")[1],))
        config = self.config
        self.wish = Wish(config.pages, config.characters, config.layout, config.attachments)
        self.content_types = {TYPES[name] for name in config.types}

    def run(self, context: StepContext) -> Outcome:
        try:
            files = self._files(context)
            return Done(self._fallback(context) if not files else self._read_all(files))
        except Unreadable as error:
            if self.config.on_unreadable == "fail":
                raise DocumentError(str(error)) from None
            return Done(self._output("", [], [str(error)]))

    def _files(self, context: StepContext) -> list[StoredFile]:
        """Return the files to read; none where there is none. Raises Unreadable where none fits."""
        found = list(context.files) if self.config.file in (FIRST, ALL) else self._named(context)
        fitting = [file for file in found if not self.content_types or file.content_type in self.content_types]
        if found and not fitting:
            names = ", ".join(f"'{file.name}'" for file in found[:5])
            raise Unreadable(f"None of the files is of the types {', '.join(self.config.types)}: {names}.")
        return fitting[:MOST_FILES] if self.config.file == ALL else fitting[:1]

    def _named(self, context: StepContext) -> list[StoredFile]:
        value = value_at(context, self.config.file)
        uids = [referred(item) for item in (value if isinstance(value, list) else [value])]
        by_uid = {file.uid: file for file in context.files}
        return [self._find(by_uid, uid) for uid in uids if uid is not None]

    def _find(self, files: dict[UUID, StoredFile], uid: UUID) -> StoredFile:
        if uid not in files:
            raise Unreadable(f"The file that {self.config.file} names is not there any more.")
        return files[uid]

    def _fallback(self, context: StepContext) -> Record:
        text = value_at(context, self.config.fallback) if self.config.fallback else None
        if not isinstance(text, str) or not text.strip():
            raise Unreadable(NO_FILE if self.config.fallback is None else NEITHER.format(self.config.fallback))
        return self._output(text[: self.config.characters], [], [])

    def _read_all(self, files: Sequence[StoredFile]) -> Record:
        texts, facts, warnings = [], [], []
        refused: list[Unreadable] = []
        for file in files:
            try:
                answer = self._read(file)
            except Unreadable as error:
                refused.append(Unreadable(f"'{file.name}': {error}"))
                warnings.append(str(refused[-1]))
                continue
            texts.append(answer.text)
            facts.append({"file": file.name, "id": str(file.uid)} | answer.facts)
            warnings += answer.warnings if len(files) == 1 else [f"'{file.name}': {one}" for one in answer.warnings]
        if refused and not texts:
            raise refused[0]
        return self._output("\n\n".join(texts)[: self.config.characters], facts, warnings)

    def _read(self, file: StoredFile) -> Answer:
        try:
            with opened(file) as data:
                return read_in_child(
                    data,
                    name=file.name,
                    wish=self.wish,
                    seconds=settings.DOCUMENT_SECONDS,
                    memory_mb=settings.DOCUMENT_MEMORY_MB,
                )
        except FileNotFoundError:
            raise Unreadable("The file is not in the storage any more.") from None
        except ReaderTimeout as error:
            raise DocumentTimeout(f"'{file.name}': {error}") from None
        except OSError as error:
            raise StorageError(f"'{file.name}' could not be opened: {error}") from error

    def _output(self, text: str, facts: list[dict[str, Any]], warnings: list[str]) -> Record:
        output: Record = {
            self.config.into: _CONTROLS.sub("", text),
            "document": _plain(facts[0]) if facts else {},
            "warnings": [_CONTROLS.sub("", warning)[:500] for warning in warnings[:MOST_WARNINGS]],
        }
        return output | ({"documents": [_plain(one) for one in facts]} if self.config.file == ALL else {})

    def output_schema(self) -> dict[str, Any]:
        properties = {
            self.config.into: {"type": "string"},
            "document": {"type": "object"},
            "warnings": {"type": "array", "items": {"type": "string"}},
        }
        return {"type": "object", "properties": properties, "required": list(properties)}


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what a document says of itself, short and without signs that nobody sees."""
    return {name: _short(value) for name, value in facts.items()}


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return _CONTROLS.sub("", value)[:500]
    return [_short(item) for item in value[:50]] if isinstance(value, list) else value
