"""Cohort: survival of a model's reference cohort by risk group, with this patient's group marked."""

import streamlit as st

from core.services.cohort import GroupSurvival, endpoints, group_survival
from core.services.figures import at_risk_rows, cohort_figure
from core.services.registry import list_models
from ui.guard import guarded_view
from ui.page import go, open_case


@guarded_view
def show() -> None:
    st.title("Cohort")
    case = open_case()
    if case is None:
        return
    models = {m.name: m for m in list_models() if m.state == "active"}
    if not models:
        st.info("No model is active.")
        if st.button("Go to the models page", type="primary"):
            go("models")
        return
    mine = {p["model"]: p for p in case.predictions if p["computed"] and not p["outdated"]}
    followed = {n: m for n, m in models.items() if endpoints(n, mine[n]["version"] if n in mine else m.version)}
    if not followed:
        st.info("No active model has a cohort with follow-up.")
        return
    models = followed
    names = sorted(models, key=lambda n: n not in mine)
    left, right = st.columns(2)
    with left:
        name = st.selectbox("Model", names, format_func=lambda n: models[n].title)
    version = mine[name]["version"] if name in mine else models[name].version
    with right:
        choices = {e.id: e.label for e in endpoints(name, version)}
        endpoint = st.selectbox("Endpoint", list(choices), format_func=lambda e: choices[e])
    prediction = mine.get(name)
    survival = group_survival(
        name, version, endpoint=str(endpoint), variant=prediction["variant"] if prediction else None
    )
    if prediction is not None and not prediction["applicable"]:
        st.warning("This case is outside the population the model was trained on; the risk page says why.")
    draw(survival, prediction["risk_group"] if prediction else None)
    if prediction is None:
        st.caption("This case has no result of this model, so no group is marked.")
    if st.button("Continue to the tumour board", type="primary"):
        go("board")


def draw(survival: GroupSurvival, patient_group: str | None) -> None:
    """Curves, the numbers under them, and the tests."""
    st.plotly_chart(cohort_figure(survival, patient_group), key=f"km-{survival.model}-{survival.endpoint}")
    st.dataframe(at_risk_rows(survival.curves), hide_index=True, width="stretch")
    medians = ", ".join(
        f"{c.group} {c.median:.1f} months" if c.median is not None else f"{c.group} not reached"
        for c in survival.curves
    )
    p = "< 0.001" if survival.logrank.p < 0.001 else f"= {survival.logrank.p:.3f}"
    h = survival.hazard
    ratio = "Hazard ratio not computed: a group has no event."
    if h is not None:
        ratio = f"Hazard ratio {h.group} against {h.reference} {h.ratio:.2f} (95 % CI {h.ci[0]:.2f} to {h.ci[1]:.2f})."
    st.markdown(f"Log-rank χ² {survival.logrank.chi2:.2f}, p {p}. {ratio} Median: {medians}.")
    st.caption(
        f"{survival.model} version {survival.version}. Cohort: {survival.cohort}. Groups come from predictions made "
        "without the patient concerned. Curves describe a group's past, not this patient's future."
    )
