"""Read a table as centres have them: any usual separator and encoding, duplicate headers, words for missing values."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.domain.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

# "None" is not among them: it is a finding (no vascular invasion) as often as a gap.
MISSING = ("", "NA", "N/A", "n/a", "na", "NaN", "nan", "NULL", "null", "#N/A", "?", "-", ".", "[Not Available]",
           "[Not Applicable]", "[Not Evaluated]", "[Unknown]")  # fmt: skip
ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")
SEPARATORS = ",;\t|"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """A table with what was done to read it, in sentences."""

    frame: pd.DataFrame
    name: str
    notes: tuple[str, ...]


def read_table(path: Path) -> Table:
    """Read CSV or TSV, plain or gzipped, or the first sheet of an xlsx file.

    Column names lose blanks at their ends; a name that stands twice gets a number. Numbers with a decimal comma are
    read as such where the separator is not a comma. Lines that begin with # are left out before the header.

    Raises
    ------
    InputError
        When the file is absent, empty or no table.
    """
    import pandas as pd

    if not path.is_file():
        raise InputError(f"'{path.name}' does not exist. Check the path.")
    if path.suffix.lower() == ".xlsx":
        return Table(frame=_excel(path), name=path.name, notes=())
    text, encoding = _decoded(path)
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if start is None:
        raise InputError(f"{path.name} holds no table.")
    separator = max(SEPARATORS, key=lines[start].count)
    header = next(csv.reader([lines[start]], delimiter=separator))
    names, notes = _unique_names(header)
    if encoding != "utf-8-sig":
        notes.append(f"Read as {encoding}, because it is not UTF-8.")
    try:
        frame = pd.read_csv(
            io.StringIO("\n".join(lines[start + 1 :])),
            sep=separator,
            header=None,
            names=names,
            index_col=False,
            keep_default_na=False,
            na_values=list(MISSING),
            decimal="." if separator == "," else _decimal(lines[start + 1 : start + 50]),
            low_memory=False,
            skipinitialspace=True,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise InputError(f"{path.name} is not a readable table: {str(error).splitlines()[0]}.") from error
    if frame.empty:
        raise InputError(f"{path.name} has a header and no rows.")
    return Table(frame=frame, name=path.name, notes=tuple(notes))


def _decoded(path: Path) -> tuple[str, str]:
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16"), "utf-16"
    if b"\x00" in content[:4096]:
        raise InputError(f"{path.name} is not a text table.")
    for encoding in ENCODINGS:
        try:
            return content.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    raise InputError(f"{path.name} is not a text table.")


def _unique_names(header: list[str]) -> tuple[list[str], list[str]]:
    seen: dict[str, int] = {}
    names, twice = [], []
    for place, raw in enumerate(header):
        name = raw.strip() or f"column {place + 1}"
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            twice.append(name)
            name = f"{name}.{seen[name]}"
        names.append(name)
    notes = [f"{len(twice)} column name(s) stand twice and were numbered, first {twice[0]}."] if twice else []
    return names, notes


def _decimal(lines: list[str]) -> str:
    """A comma between digits, in a table that is not separated by commas, is a decimal comma."""
    import re

    return "," if any(re.search(r"\d,\d", line) for line in lines) else "."


def _excel(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_excel(path, keep_default_na=False, na_values=list(MISSING))
    except (ValueError, OSError, KeyError, ImportError) as error:
        raise InputError(f"{path.name} is not a readable xlsx table.") from error
    frame.columns = [str(c).strip() for c in frame.columns]
    return frame
