"""Small documents of each kind, made on the spot."""

import io
import zipfile
from email.message import EmailMessage

import docx
import openpyxl


def pdf(*lines: str, pages: int = 1, extra: bytes = b"") -> bytes:
    """Return a PDF whose pages show these lines."""
    shown = b"".join(b"(%s) Tj 0 -20 Td " % line.encode() for line in lines)
    content = b"BT /F1 12 Tf 72 720 Td " + shown + b"ET"
    kids = b" ".join(b"%d 0 R" % (4 + number) for number in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, pages),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    stream = 4 + pages
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
    objects += [page % stream + b"/Resources << /Font << /F1 3 0 R >> >> >>"] * pages
    objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    return pdf_of(objects, extra)


def pdf_of(objects: list[bytes], extra: bytes = b"") -> bytes:
    """Return a PDF of these objects, the first its catalog."""
    body, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(body))
    return body + head + table + trailer + extra


def word(*paragraphs: str, table: list[list[str]] | None = None) -> bytes:
    """Return a Word document."""
    document, output = docx.Document(), io.BytesIO()
    document.core_properties.author = "Ada"
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    if table:
        grid = document.add_table(rows=len(table), cols=len(table[0]))
        for row, values in zip(grid.rows, table, strict=True):
            for cell, value in zip(row.cells, values, strict=True):
                cell.text = value
    document.save(output)
    return output.getvalue()


def workbook(**sheets: list[list[object]]) -> bytes:
    """Return an Excel workbook."""
    book, output = openpyxl.Workbook(), io.BytesIO()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(output)
    return output.getvalue()


def mail(text: str = "Hello", *, attachments: dict[str, bytes] | None = None, **headers: str) -> bytes:
    """Return a message as bytes; `message_id` and the like name its headers."""
    message = EmailMessage()
    known = {"from": "Ann <ann@example.com>", "to": "intake@acme.test", "subject": "A question"} | headers
    for name, value in known.items():
        message[name.replace("_", "-").title()] = value
    message.set_content(text)
    for name, data in (attachments or {}).items():
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def zip_of(parts: dict[str, bytes], *, level: int = 9) -> bytes:
    """Return a ZIP archive of these parts."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return output.getvalue()
