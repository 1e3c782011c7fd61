"""Training from large tables, and the statistics on 100,000 rows: seconds and memory, printed."""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from core.services.feature_tables import ExternalTable, TrainingData, from_frame
from core.services.synthetic_tables import synthetic_table
from core.services.tables import Table
from core.services.training import Run, train_bundle
from model_registry.recipe import load_recipe

# Recipe, patients trained on, external, features a radiomic and a deep block, aim in seconds.
# 6 × 1,781 + 6 × 512 = 13,758; 5 × 842 + 510 = 4,720.
TABLES = {
    "mvi_eob_mri_crdlr": (216, 88, (1781, 512), 600),
    "epr_debtace_dlrrn": (114, 43, (842, 510), 120),
}
ROWS = 100_000


def main() -> None:
    print("recipe                  patients  features  models  seconds  aim  peak MB")
    for name, (patients, other, sizes, aim) in TABLES.items():
        recipe = load_recipe(name)
        data = _data(name, patients, sizes)
        external = synthetic_table(recipe, other, seed=2, sizes=sizes)
        external = external.assign(afp_400=(external["afp_ng_ml"] >= 400).astype(float))
        held = ExternalTable(name="external", table=external, outcome=external[recipe.outcome.column])
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "bundle"
            started = time.perf_counter()
            bundle = train_bundle(
                recipe, data, out, run=Run(workers=2, cohort="bench", synthetic=True), external=[held]
            )
            seconds = time.perf_counter() - started
            told = json.loads(bundle.document("run.json") or b"{}")
            models = len(bundle.report["models"])
        features, memory = len(data.features), told["peak_memory_mb"]
        print(f"{name:24s}{patients + other:8d}{features:10d}{models:8d}{seconds:9.0f}{aim:5d}{memory:9d}")
    _statistics()


def _data(name: str, patients: int, sizes: tuple[int, int]) -> TrainingData:
    recipe = load_recipe(name)
    table = synthetic_table(recipe, patients, seed=1, sizes=sizes)
    return from_frame(recipe, Table(frame=table.reset_index(), name="bench", notes=()), recipe.outcome.column, ())


def _statistics() -> None:
    from core.services.statistics import Question, compute

    rng = np.random.default_rng(0)
    y = (rng.random(ROWS) < 0.3).astype(int)
    x = rng.standard_normal((ROWS, 3))
    score = np.clip(0.3 * y + 0.7 * rng.random(ROWS), 0, 1)
    columns = {"y": y, "s": score, "b": np.clip(0.1 * y + 0.9 * rng.random(ROWS), 0, 1), "a0": x[:, 0], "a1": x[:, 1]}
    columns |= {"time": rng.exponential(30, ROWS) + 0.1, "event": (rng.random(ROWS) < 0.6).astype(int)}
    columns |= {"cause": rng.integers(0, 3, ROWS), "group": np.where(x[:, 2] > 0, "high", "low")}
    calls = {
        "auc": Question(outcome="y", score="s"),
        "compare": Question(outcome="y", score="s", baseline="b"),
        "reclassify": Question(outcome="y", score="s", baseline="b"),
        "calibration": Question(outcome="y", score="s"),
        "decision": Question(outcome="y", score="s"),
        "nomogram": Question(outcome="y", columns=("a0", "a1")),
        "km": Question(time="time", event="event", group="group", at=(12, 36)),
        "cox": Question(time="time", event="event", columns=("a0", "a1")),
        "icc": Question(columns=("a0", "a1")),
        "incidence": Question(time="time", event="cause", at=(12, 36)),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        pd.DataFrame(columns).to_csv(path, index=False)
        print(f"\nstats on {ROWS} rows, seconds with reading the file (aim 2), median of 3")
        for call, question in calls.items():
            print(f"{call:14s}{_median(lambda c=call, q=question: compute(c, path, q)):7.2f}")
    from core.stats.survival import kaplan_meier

    seconds = _median(lambda: kaplan_meier(columns["time"], columns["event"], at=[12, 36]))
    print(f"Kaplan-Meier alone {seconds:.3f} (aim 0.5)", file=sys.stdout)


def _median(work: Callable[[], object]) -> float:
    found = []
    for _ in range(3):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return float(np.median(found))
