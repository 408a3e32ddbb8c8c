"""The text of files that are text: plain, tables, web pages."""

import re
from html.parser import HTMLParser

from workflows.documents.answer import Answer, Paper, Unreadable, Wish

#: Elements whose text is not for readers, and those that begin a new line.
HIDDEN = frozenset({"script", "style", "template", "noscript", "svg", "iframe", "object"})
BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset", "figcaption", "footer"}
    | {"form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section"}
    | {"table", "tr", "ul"}
)
CELLS = frozenset({"td", "th"})
_SPACES = re.compile(r"[ \r\f\v\u00a0]+")
_EMPTY_LINES = re.compile(r"\n{3,}")
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([A-Za-z0-9_-]{2,40})", re.IGNORECASE)


def decode(data: bytes, charset: str | None = None) -> str:
    """Return bytes as text: by their mark, as UTF-8, in the charset they claim, or as Western European."""
    for mark, name in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace")
    for claimed in ("utf-8", charset or "utf-8", "cp1252"):
        try:
            return data.decode(claimed)
        except (ValueError, LookupError):
            continue
    return data.decode("latin-1")


def read_text(data: bytes, wish: Wish) -> Answer:
    """Return the text of a plain file or a table."""
    return _answer(decode(data), wish)


def read_html(data: bytes, wish: Wish) -> Answer:
    """Return what a reader would see of a web page, in lines."""
    found = _CHARSET.search(data[:2048])
    return html_answer(decode(data, found[1].decode("ascii") if found else None), wish)


def html_answer(source: str, wish: Wish) -> Answer:
    """Return the text of HTML source."""
    page = _Page(wish.characters * 4)
    page.feed(source)
    page.close()
    answer = _answer(tidy("".join(page.paper.parts)), wish)
    if page.title.strip():
        answer.facts["title"] = " ".join(page.title.split())[:300]
    return answer


def tidy(text: str) -> str:
    """Return text without needless spaces and empty lines."""
    lines = (_SPACES.sub(" ", line) for line in text.split("\n"))
    return _EMPTY_LINES.sub("\n\n", "\n".join(line.strip("\t ") for line in lines)).strip()


def _answer(text: str, wish: Wish) -> Answer:
    if not text.strip():
        raise Unreadable("The file holds no text.")
    paper = Paper(wish.characters)
    paper.write(text)
    answer = Answer(paper.text())
    if paper.cut:
        answer.warnings.append(f"Only the first {wish.characters:,} characters were taken.")
    return answer


class _Page(HTMLParser):
    """Gathers the text of a page."""

    def __init__(self, limit: int) -> None:
        super().__init__(convert_charrefs=True)
        self.paper = Paper(limit)
        self.title = ""
        self._hidden: str | None = None
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._hidden is not None:
            return
        if tag in HIDDEN:
            self._hidden = tag
        elif tag == "title":
            self._in_title = True
        elif tag in BLOCKS:
            self.paper.write("\n")
        elif tag in CELLS:
            self.paper.write("\t")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden:
            self._hidden = None
        elif tag == "title":
            self._in_title = False
        elif tag in BLOCKS and tag != "br" and self._hidden is None:
            self.paper.write("\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title = (self.title + data)[:1000]
        elif self._hidden is None and not self.paper.full:
            self.paper.write(data.replace("\n", " "))
