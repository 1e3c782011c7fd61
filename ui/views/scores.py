"""Published scores from typed or stored values."""

import streamlit as st

from core.domain.clinical import VARIABLES
from core.services.cases import show_case
from core.services.scores import SCORES, compute_score
from ui import state
from ui.guard import guarded, guarded_view
from ui.page import header


@guarded_view
def show() -> None:
    st.title("Scores")
    code = state.current_case()
    stored: dict[str, float] = {}
    if code:
        case = show_case(code)
        header(case)
        stored = case.clinical
        st.caption("Filled with the recorded values of the case. What is typed here is not stored.")
    names = list(SCORES)
    name = st.segmented_control("Score", names, default=names[0], format_func=lambda n: SCORES[n].title)
    score = SCORES[name or names[0]]
    with st.form(f"score-{score.name}"):
        typed: dict[str, float | None] = {}
        for column, need in zip(st.columns(len(score.needs)), score.needs, strict=True):
            variable = VARIABLES[need]
            label = f"{variable.label} ({variable.unit})" if variable.unit else variable.label
            with column:
                typed[need] = st.number_input(
                    label, value=stored.get(need), min_value=variable.lowest, max_value=variable.highest, format="%g",
                    placeholder="not given", key=f"score-{code}-{score.name}-{need}",
                )  # fmt: skip
        asked = st.form_submit_button("Compute", type="primary")
    if asked:
        with guarded():
            result = compute_score(score.name, {k: float(v) for k, v in typed.items() if v is not None})
            left, right = st.columns(2)
            left.metric(result.score, f"{result.value:.3f}" if result.value % 1 else f"{result.value:.0f}")
            right.metric("Group", result.group)
            st.write(f"{result.meaning.capitalize()}. For: {result.population}.")
            if result.parts:
                st.caption(", ".join(f"{label} {points}" for label, points in result.parts))
            st.caption(result.source)
