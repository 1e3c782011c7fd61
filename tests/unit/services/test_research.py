"""Training from the browser's side: an order becomes a job, a report, and a candidate in the registry."""

import pandas as pd
import pytest

from core.domain.errors import InputError
from core.services import jobs
from core.services.registry import list_models
from core.services.research import (
    TrainingOrder,
    report_document,
    run_tables,
    send_to_registry,
    start_training,
    table_columns,
    training_folder,
    training_runs,
)
from core.services.synthetic_tables import synthetic_table
from model_registry.recipe import load_recipe


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run in this process, as a worker would."""
    monkeypatch.setattr(jobs, "_launch", jobs.run_job)


def content(table: pd.DataFrame) -> bytes:
    return table.to_csv().encode()


@pytest.mark.usefixtures("home", "at_once")
def test_an_order_becomes_a_report_and_a_candidate() -> None:
    recipe = load_recipe("epr_debtace_dlrrn")
    table = synthetic_table(recipe, 90, seed=1, sizes=(12, 12))
    other = synthetic_table(recipe, 60, seed=2, sizes=(12, 12))
    order = TrainingOrder(
        recipe=recipe.name, table=("mine.csv", content(table)), external=(("theirs.csv", content(other)),),
        outcome=recipe.outcome.column, version="2026-1",
    )  # fmt: skip
    start_training(order)
    (run,) = training_runs()
    assert run.job.state == "done", run.job.message
    assert run.headline.startswith("AUC 0.")
    tables = run_tables(run)
    assert len(tables["models"]) == 10
    assert {r["Cohort"] for r in tables["external"]} == {"theirs.csv"}
    assert any("Labels shuffled" in n for n in tables["notes"])
    assert report_document(run, "pdf").startswith(b"%PDF")
    assert b"mine.csv" in report_document(run, "html")
    row = send_to_registry(run)
    assert (row.name, row.version, row.state) == (recipe.name, "2026-1", "candidate")
    assert [m.name for m in list_models()] == [recipe.name]


@pytest.mark.usefixtures("home", "at_once")
def test_a_table_that_cannot_be_trained_on_fails_with_its_sentence() -> None:
    start_training(TrainingOrder(recipe="epr_debtace_dlrrn", table=("bad.csv", b"a,y\n1,0\n2,1\n"), outcome="y"))
    (run,) = training_runs()
    assert run.job.state == "failed"
    assert "at least 8 are needed" in run.job.message
    assert not (training_folder(run.job.id) / "bundle").exists()
    with pytest.raises(InputError, match="not done"):
        run_tables(run)


def test_columns_with_two_values_are_offered_as_outcome() -> None:
    assert table_columns("t.csv", b"id,mvi,age\na,0,50\nb,1,60\nc,0,70\n") == ["mvi"]
