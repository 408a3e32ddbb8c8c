"""Reading a page the way a browser would: which controls it has, and what they send."""

from html.parser import HTMLParser

from django.http import QueryDict


class _Controls(HTMLParser):
    """Collects what the controls outside of `<template>` would post if nobody changed them."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []
        self.templates = 0
        self.textarea: tuple[str, list[str]] | None = None
        self.select: str | None = None
        self.options: list[tuple[str, bool]] = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "template":
            self.templates += 1
        if self.templates:
            return
        if tag == "input":
            self._input(values)
        elif tag == "textarea":
            self.textarea = (values.get("name") or "", [])
        elif tag == "select":
            self.select, self.options = values.get("name"), []
        elif tag == "option":
            self.options.append((values.get("value") or "", "selected" in values))

    def _input(self, values):
        kind = values.get("type", "text")
        if not values.get("name") or (kind in ("checkbox", "radio") and "checked" not in values):
            return
        self.sent.append((values["name"], values.get("value") or ""))

    def handle_endtag(self, tag):
        if tag == "template":
            self.templates -= 1
        if self.templates:
            return
        if tag == "textarea" and self.textarea is not None:
            name, text = self.textarea
            # A browser leaves out the line break that follows the tag.
            self.sent.append((name, "".join(text).removeprefix("\n").replace("\n", "\r\n")))
            self.textarea = None
        elif tag == "select" and self.select:
            chosen = [value for value, selected in self.options if selected] or [v for v, _ in self.options[:1]]
            self.sent += [(self.select, value) for value in chosen[-1:]]
            self.select = None

    def handle_data(self, data):
        if self.textarea is not None and not self.templates:
            self.textarea[1].append(data)


def controls_of(html: str) -> list[tuple[str, str]]:
    """Return the names and values that a form's controls send as they are."""
    reader = _Controls()
    reader.feed(html)
    reader.close()
    return reader.sent


def posted(html: str) -> QueryDict:
    """Return what a browser would post of a form that nobody changed."""
    query = QueryDict(mutable=True)
    for name, value in controls_of(html):
        query.appendlist(name, value)
    return query
