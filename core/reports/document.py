"""A report as headings, paragraphs, tables and figures, drawn once as HTML and once as PDF."""

import base64
import html
import io
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableBlock:
    """`rows` of cells under `header`; `note` stands below. Columns after the first are numbers, or `prose`."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    prose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureBlock:
    """A PNG with its caption; `width_mm` on paper."""

    png: bytes
    caption: str
    width_mm: float = 120


Block = Heading | Text | TableBlock | FigureBlock

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-size: 0.85rem; margin: 0.6rem 0; }
th, td { padding: 0.25rem 0.7rem; border-bottom: 1px solid #8884; text-align: right; vertical-align: top; }
td { white-space: nowrap; } td:first-child, .prose td { white-space: normal; }
th:first-child, td:first-child, .prose td, .prose th { text-align: left; }
figure { margin: 1rem 0; } figure img { max-width: 100%; background: white; }
figcaption, .note { font-size: 0.82rem; opacity: 0.75; }
.wide { overflow-x: auto; }
"""


def as_html(title: str, blocks: list[Block]) -> str:
    """One file that needs nothing else: pictures are inside it."""
    body = "\n".join(_html(b) for b in blocks)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h2>{html.escape(block.text)}</h2>"
    if isinstance(block, Text):
        text = html.escape(block.text)
        return f"<p><strong>{text}</strong></p>" if block.strong else f"<p>{text}</p>"
    if isinstance(block, FigureBlock):
        data = base64.b64encode(block.png).decode()
        caption = html.escape(block.caption)
        return (
            f'<figure><img alt="{caption}" src="data:image/png;base64,{data}" '
            f'style="width:{block.width_mm / 1.6:.0f}%">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    head = "".join(f"<th>{html.escape(c)}</th>" for c in block.header)
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in block.rows)
    note = f'<p class="note">{html.escape(block.note)}</p>' if block.note else ""
    kind = ' class="prose"' if block.prose else ""
    return f'<div class="wide"><table{kind}><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{note}'


def as_pdf(title: str, blocks: list[Block], *, footer: str) -> bytes:
    """A4 pages with `footer` and the page number on each."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.lib.units import mm
    from reportlab.platypus import Paragraph, SimpleDocTemplate

    styles = getSampleStyleSheet()
    styles["BodyText"].fontSize = 9
    styles["BodyText"].leading = 12
    styles["Heading2"].keepWithNext = 1
    story: list[Any] = [Paragraph(html.escape(title), styles["Title"])]
    for block in blocks:
        story += _pdf(block, styles)

    def foot(canvas: Any, document: Any) -> None:
        canvas.setFont("Helvetica", 7)
        canvas.drawString(18 * mm, 10 * mm, footer)
        canvas.drawRightString(A4[0] - 18 * mm, 10 * mm, f"page {document.page}")

    out = io.BytesIO()
    made = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=18 * mm, rightMargin=18 * mm, topMargin=16 * mm, bottomMargin=18 * mm, title=title
    )
    made.build(story, onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()


def _pdf(block: Block, styles: Any) -> list[Any]:
    from reportlab.lib.units import mm
    from reportlab.platypus import Image, KeepTogether, Paragraph, Spacer

    if isinstance(block, Heading):
        return [Spacer(1, 3 * mm), Paragraph(html.escape(block.text), styles["Heading2"])]
    if isinstance(block, Text):
        text = html.escape(block.text)
        return [Paragraph(f"<b>{text}</b>" if block.strong else text, styles["BodyText"])]
    if isinstance(block, FigureBlock):
        picture = Image(io.BytesIO(block.png))
        picture.drawHeight *= block.width_mm * mm / picture.drawWidth
        picture.drawWidth = block.width_mm * mm
        picture.hAlign = "LEFT"
        return [KeepTogether([picture, Paragraph(html.escape(block.caption), styles["Italic"])])]
    return _pdf_table(block, styles)


def _pdf_table(block: TableBlock, styles: Any) -> list[Any]:
    from reportlab.lib import colors
    from reportlab.lib.enums import TA_LEFT, TA_RIGHT
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.platypus import Paragraph, Spacer, Table, TableStyle

    side = TA_LEFT if block.prose else TA_RIGHT
    small = ParagraphStyle("cell", parent=styles["BodyText"], fontSize=7, leading=8.5, alignment=side)
    first = ParagraphStyle("first", parent=small, alignment=TA_LEFT)

    def row(cells: tuple[str, ...], *, bold: bool = False) -> list[Any]:
        texts = [f"<b>{html.escape(c)}</b>" if bold else html.escape(c) for c in cells]
        return [Paragraph(t, first if i == 0 else small) for i, t in enumerate(texts)]

    width, columns = 174 * mm, len(block.header)
    lead = width * (0.34 if columns > 2 else 0.4)
    widths = [lead, *[(width - lead) / max(columns - 1, 1)] * (columns - 1)]
    table = Table([row(block.header, bold=True), *(row(r) for r in block.rows)], colWidths=widths, repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.lightgrey),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("TOPPADDING", (0, 0), (-1, -1), 1.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
            ]
        )
    )
    note = [Paragraph(html.escape(block.note), styles["Italic"])] if block.note else []
    return [table, *note, Spacer(1, 2 * mm)]
