"""`python -m core stats` against R: one test a row of r_statistics.csv (tolerance relative above 1, absolute below).

`regenerate.R` computes the rows of the table `other` anew, and those of any other table by its recipe.
"""

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.cli import build_parser

HERE = Path(__file__).parent
ROWS = list(csv.DictReader((HERE / "r_statistics.csv").read_text().splitlines()))
# Shrout and Fleiss 1979, Table 2: six targets by four judges.
SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tables")
    fixture = pd.read_csv(HERE / "data" / "r_fixture.csv")
    fixture["log_afp"] = np.log(fixture["afp"])
    # R's coefficients: the score whose Uno C the reference gives.
    fixture["cox_lp"] = fixture[["x1", "x2", "log_afp"]] @ [0.4017094482895, 0.0228497721667, -0.0266896819359]
    fixture.to_csv(folder / "fixture.csv", index=False)
    pd.DataFrame(SHROUT_FLEISS, columns=["j1", "j2", "j3", "j4"]).to_csv(folder / "shrout_fleiss.csv", index=False)
    return {
        "fixture": folder / "fixture.csv",
        "shrout_fleiss": folder / "shrout_fleiss.csv",
        "pbc": HERE / "data" / "pbc_scored.csv",
        "icc": HERE / "data" / "icc_two_readers.csv",
        "other": HERE / "data" / "other.csv",
    }


@cache
def answer(call: str, path: Path) -> dict[str, Any]:
    """What the command prints with --json."""
    options = build_parser().parse_args(["stats", *call.split(), "--csv", str(path)])
    found: dict[str, Any] = json.loads(json.dumps(options.handler(options)))
    return found


@pytest.mark.parametrize("row", ROWS, ids=[f"{r['table']}-{r['call'].split()[0]}-{r['key']}" for r in ROWS])
def test_agrees_with_r(row: dict[str, str], tables: dict[str, Path]) -> None:
    found: Any = answer(row["call"], tables[row["table"]])
    for part in row["key"].split("."):
        found = found[int(part)] if isinstance(found, list) else found[part]
    tolerance = float(row["tolerance"])
    assert found == pytest.approx(float(row["value"]), rel=tolerance, abs=tolerance), row["citation"]
