"""Results as plain text for a terminal."""

from typing import Any

WIDEST_CELL = 60


def as_text(result: Any) -> str:
    """A list of objects as a table; an object as lines of key and value."""
    if isinstance(result, list):
        return _table(result) if result else "Nothing to show."
    if isinstance(result, dict):
        return "\n".join(_lines(result, 0))
    return str(result)


def _table(rows: list[dict[str, Any]]) -> str:
    simple = [k for k in rows[0] if not any(isinstance(r[k], dict | list) and r[k] for r in rows) or k == "phases"]
    cells = [simple, *([_cell(r[k]) for k in simple] for r in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(simple))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)


def _cell(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))[:WIDEST_CELL]
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)[:WIDEST_CELL]


def _lines(value: Any, depth: int) -> list[str]:
    pad = "  " * depth
    lines = []
    for key, item in value.items():
        if isinstance(item, dict):
            lines += [f"{pad}{key}:", *_lines(item, depth + 1)]
        elif isinstance(item, list | tuple) and item and isinstance(item[0], dict):
            lines.append(f"{pad}{key}:")
            for element in item:
                lines += [*_lines(element, depth + 1), ""]
        else:
            lines.append(f"{pad}{key}: {_cell(item) if isinstance(item, float) else item}")
    return lines
