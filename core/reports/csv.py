"""Results as CSV."""

import csv
import io


def board_csv(rows: list[tuple[str, str, str]], *, notice: str) -> str:
    """Rows of (subject, quantity, value) as CSV whose first line is the research-use notice.

    A value that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["notice", "", notice])
    writer.writerow(["subject", "quantity", "value"])
    writer.writerows([tuple(_safe(cell) for cell in row) for row in rows])
    return buffer.getvalue()


def _safe(cell: str) -> str:
    starts_formula = cell[:1] in ("=", "+", "-", "@", "\t")
    return f"'{cell}" if starts_formula and not _is_number(cell) else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
