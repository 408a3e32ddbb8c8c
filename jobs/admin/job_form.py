"""The form of a new job: one input for each input field of its workflow."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from jobs.domain.uploads import FREE_PARTS, Upload, new_upload
from taskflow.lib.ids import new_uid
from workflows.domain.fields import FieldType, InputField, Role

#: Texts that may be longer than this get a large box.
SHORT_TEXT = 200
FREE_FILES = FREE_PARTS[-1]


class FilesInput(forms.FileInput):
    """Lets a person choose several files."""

    allow_multiple_selected = True

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return list(files.getlist(name)) if hasattr(files, "getlist") else []


class FilesField(forms.FileField):
    """One or several files; cleans to a list of them."""

    def __init__(self, *, several: bool, **kwargs: Any) -> None:
        widget = FilesInput(attrs={"class": "tf-file", "multiple": True}) if several else None
        super().__init__(widget=widget or forms.FileInput(attrs={"class": "tf-file"}), allow_empty_file=True, **kwargs)

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        sent = (data or [None]) if isinstance(data, list) else [data]
        cleaned = [super(FilesField, self).clean(one, initial) for one in sent]
        return [file for file in cleaned if file]


class LinesField(forms.CharField):
    """A list, one element a line."""

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in (super().to_python(value) or "").splitlines() if line.strip()]


class PairsField(forms.CharField):
    """An object, one `name: value` a line."""

    def to_python(self, value: Any) -> Any:
        pairs = {}
        for line in (super().to_python(value) or "").splitlines():
            name, colon, text = line.partition(":")
            if line.strip() and not (colon and name.strip()):
                raise forms.ValidationError("Write one “name: value” on each line.")
            if line.strip():
                pairs[name.strip()] = text.strip()
        return pairs


class NewJobForm(forms.Form):
    """What a person sends to a workflow. `loose_files` offers files that belong to no field."""

    def __init__(self, *args: Any, fields: Sequence[InputField], loose_files: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.inputs = [field for field in fields if field.role is Role.INPUT]
        for field in self.inputs:
            made = FORM_FIELDS[field.type](field)
            made.label, made.help_text, made.required = field.shown_label, field.description, _required(field)
            self.fields[field.key] = made
        if loose_files and FREE_FILES not in self.fields:
            self.fields[FREE_FILES] = FilesField(several=True, required=False, label="Files")

    def payload(self) -> dict[str, Any]:
        """Return what was written, without what was left empty."""
        written = {field.key: self.cleaned_data[field.key] for field in self.inputs if not _is_file(field)}
        return {key: _plain(value) for key, value in written.items() if value not in (None, "", [], {})}

    def uploads(self, limit: int) -> list[Upload]:
        """Return the files that were chosen; of those over `limit` just enough to be refused for it."""
        parts = [name for name, field in self.fields.items() if isinstance(field, FilesField)]
        return [
            new_upload(uid=new_uid(), part=part, name=file.name or "", data=file.read(limit + 1))
            for part in parts
            for file in self.cleaned_data.get(part) or ()
        ]

    def explain(self, problems: Sequence[tuple[str, str]]) -> None:
        """Put what is wrong with the job beside the inputs it is about."""
        for place, reason in problems:
            name = place.removeprefix("payload.")
            reason = reason[:1].upper() + reason[1:]
            known = name in self.fields
            self.add_error(name if known else None, reason if known else f"{place}: {reason}")


def _required(field: InputField) -> bool:
    return field.required and field.type is not FieldType.BOOLEAN


def _is_file(field: InputField) -> bool:
    return field.type in (FieldType.FILE, FieldType.FILES)


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _text(field: InputField) -> forms.Field:
    long = field.max_length is None or field.max_length > SHORT_TEXT
    widget = UnfoldAdminTextareaWidget(attrs={"rows": 6}) if long else UnfoldAdminTextInputWidget()
    return forms.CharField(max_length=field.max_length, widget=widget, strip=False)


def _typed(kind: str) -> UnfoldAdminTextInputWidget:
    return UnfoldAdminTextInputWidget(attrs={"type": kind, "step": "any"} if kind == "number" else {"type": kind})


def _choice(field: InputField) -> forms.Field:
    choices = [("", "–"), *((choice, choice) for choice in field.choices)]
    return forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget)


class MomentField(forms.DateTimeField):
    """A moment, as a browser's input writes it; in the tenant's time zone, which is the current one."""

    def prepare_value(self, value: Any) -> Any:
        return value.strftime("%Y-%m-%dT%H:%M") if isinstance(value, datetime) else value


#: How a person writes each type.
FORM_FIELDS: dict[FieldType, Callable[[InputField], forms.Field]] = {
    FieldType.TEXT: _text,
    FieldType.INTEGER: lambda field: forms.IntegerField(widget=_typed("number")),
    FieldType.NUMBER: lambda field: forms.FloatField(widget=_typed("number")),
    FieldType.BOOLEAN: lambda field: forms.BooleanField(widget=UnfoldBooleanSwitchWidget, required=False),
    FieldType.DATE: lambda field: forms.DateField(widget=_typed("date")),
    FieldType.DATETIME: lambda field: MomentField(widget=_typed("datetime-local")),
    FieldType.EMAIL: lambda field: forms.EmailField(widget=UnfoldAdminEmailInputWidget()),
    FieldType.URL: lambda field: forms.URLField(widget=_typed("url"), assume_scheme="https"),
    FieldType.CHOICE: _choice,
    FieldType.LIST: lambda field: LinesField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "placeholder": "One on each line"})
    ),
    FieldType.OBJECT: lambda field: PairsField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "placeholder": "name: value"})
    ),
    FieldType.FILE: lambda field: FilesField(several=False),
    FieldType.FILES: lambda field: FilesField(several=True),
}
