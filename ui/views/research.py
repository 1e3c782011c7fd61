"""Research: choose a cohort and a recipe, train, read the report, send the bundle to the registry."""

from typing import Any

import streamlit as st

from core.services.jobs import RUNNING, cancel_job, view
from core.services.research import (
    TrainingOrder,
    TrainingRun,
    report_document,
    run_tables,
    send_to_registry,
    start_training,
    table_columns,
    trainable_recipes,
    training_runs,
)
from ui import state
from ui.guard import guarded, guarded_view
from ui.page import go

SYNTHETIC, OWN = "Synthetic demonstration cohort", "Feature table of my own"


@guarded_view
def show() -> None:
    st.title("Research")
    state.show_flash()
    runs = training_runs()
    running = [r for r in runs if r.job.state in RUNNING]
    for run in running:
        _progress(run.job.id, run.title)
    with st.container(border=True):
        _order(primary=not running)
    finished = [r for r in runs if r not in running]
    if finished:
        st.subheader("Trainings")
        index = st.selectbox("Training", range(len(finished)), format_func=lambda i: _named(finished[i]))
        _result(finished[index or 0])


def _named(run: TrainingRun) -> str:
    return f"{run.job.id}: {run.title}, {run.cohort} — {run.headline or run.job.state}"


def _order(*, primary: bool) -> None:
    """The form of a new training."""
    recipes = {r.name: r for r in trainable_recipes()}
    left, right = st.columns(2)
    name = left.selectbox("Recipe", list(recipes), format_func=lambda n: recipes[n].title)
    recipe = recipes[str(name)]
    source = right.radio("Cohort", [SYNTHETIC, OWN], horizontal=True)
    left.caption(f"{recipe.summary} {len(recipe.models)} models. After {recipe.paper.citation}.")
    given: dict[str, Any] = {}
    if source == OWN:
        given = _tables(right, recipe.outcome.column)
    else:
        right.caption("Invented patients with a second site whose scanner differs: to see how training works.")
    seed = left.number_input("Seed", min_value=0, value=0, step=1)
    version = right.text_input("Bundle version", value="1", max_chars=20)
    ready = source == SYNTHETIC or given.get("table") is not None
    if st.button("Train", type="primary" if primary else "secondary", disabled=not ready):
        with guarded():
            start_training(TrainingOrder(recipe=str(name), seed=int(seed), version=version.strip() or "1", **given))
            st.rerun()


def _tables(place: Any, outcome: str) -> dict[str, Any]:
    """The uploads of a centre's own tables."""
    table = place.file_uploader("Feature table (CSV, one row a patient)", type=["csv", "tsv", "gz", "xlsx"])
    external = place.file_uploader(
        "External cohorts (optional)", type=["csv", "tsv", "gz", "xlsx"], accept_multiple_files=True
    )
    readers = place.file_uploader(
        "Repeated readings (optional)",
        type=["csv", "tsv", "gz", "xlsx"],
        accept_multiple_files=True,
        help="The same cases in the same order; the first file is the reference.",
    )
    if table is None:
        return {}
    columns: list[str] = []
    with guarded():
        columns = table_columns(table.name, table.getvalue())
    if not columns:
        place.warning("The table has no column with two values that could be the outcome.")
        return {}
    # No other column is taken for the outcome than the recipe's own, unless the user says so.
    known = next((i for i, c in enumerate(columns) if c.lower() == outcome.lower()), None)
    chosen = place.selectbox("Outcome", columns, index=known, placeholder="Choose the outcome's column")
    if chosen is None:
        return {}
    return {
        "table": (table.name, table.getvalue()),
        "external": tuple((f.name, f.getvalue()) for f in external),
        "readers": tuple((f.name, f.getvalue()) for f in readers),
        "outcome": str(chosen),
    }


@st.fragment(run_every=0.7)
def _progress(number: int, title: str) -> None:
    with guarded():
        job = view(number)
        if job.state not in RUNNING:
            st.rerun()
        left, right = st.columns([5, 1], vertical_alignment="center")
        left.progress(job.progress, text=f"{title}: {job.message}")
        if right.button("Cancel", key=f"cancel-training-{number}", width="stretch"):
            cancel_job(number)
            st.rerun()


def _result(run: TrainingRun) -> None:
    """What a training found, its report, and the way to the registry."""
    if run.bundle is None:
        st.info(f"This training is {run.job.state}. {run.job.message}")
        return
    tables = run_tables(run)
    st.markdown(f"**{run.headline}** Cohort: {run.cohort}.")
    st.dataframe(tables["models"], hide_index=True, width="stretch")
    if tables["external"]:
        st.dataframe(tables["external"], hide_index=True, width="stretch")
    for note in tables["notes"]:
        st.caption(note)
    if tables["not_computed"]:
        with st.expander(f"{len(tables['not_computed'])} model(s) not computed"):
            st.dataframe(
                [{"Model": m, "Why": why} for m, why in tables["not_computed"].items()],
                hide_index=True,
                width="stretch",
            )
    html, pdf, send, _ = st.columns([1, 1, 1, 2])
    name = f"{run.recipe}-{run.job.id}"
    html.download_button("Report (HTML)", report_document(run, "html"), f"{name}.html", "text/html", width="stretch")
    pdf.download_button("Report (PDF)", report_document(run, "pdf"), f"{name}.pdf", "application/pdf", width="stretch")
    if send.button("Send to the registry", width="stretch"):
        with guarded():
            made = send_to_registry(run)
            state.flash(f"{made.name} version {made.version} is registered as a candidate.")
            go("models")
