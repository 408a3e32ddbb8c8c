"""Model fields that several apps use."""

import json
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _


class JSONTextField(models.TextField):  # type: ignore[type-arg]
    """JSON kept as the text it is, so that what is stored reads back the same on every database.

    MySQL's own JSON type reorders keys and turns large integers into floats. The database never looks inside these
    values: what must be searched gets a column of its own.
    """

    if TYPE_CHECKING:
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any
        _pyi_lookup_exact_type: Any

    description = _("JSON text")
    empty_strings_allowed = False

    def from_db_value(self, value: str | None, *args: Any) -> Any:
        return None if value is None else json.loads(value)

    def to_python(self, value: Any) -> Any:
        return value

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else dump_json(value)

    def value_to_string(self, obj: models.Model) -> str:
        return dump_json(self.value_from_object(obj))

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        super().validate(value, model_instance)
        try:
            dump_json(value)
        except (TypeError, ValueError) as error:
            raise ValidationError(_("Not JSON: %(reason)s"), params={"reason": error}) from error


class _Exact:
    """Text that is equal only to itself: MySQL's usual collation takes 'A' for 'a' and 'é' for 'e'."""

    def db_parameters(self, connection: Any) -> Any:
        parameters = super().db_parameters(connection)  # type: ignore[misc]
        return {**parameters, "collation": "utf8mb4_bin"} if connection.vendor == "mysql" else parameters


if TYPE_CHECKING:
    # What mypy's plugin knows of a field's type, it knows by the class.
    ExactCharField, ExactSlugField = models.CharField, models.SlugField
else:

    class ExactCharField(_Exact, models.CharField):
        """A key or token: what programs compare, not what people search for."""

    class ExactSlugField(_Exact, models.SlugField):
        """A slug that must be written as it is."""


def dump_json(value: Any) -> str:
    """Return `value` as compact JSON text; ValueError for NaN and infinities, TypeError for what JSON cannot say."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
