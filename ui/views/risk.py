"""Risk: each model's probability with interval, risk group and nomogram, or the reason why there is none."""

from typing import Any

import streamlit as st

from core.domain.case import CaseState
from core.services.cases import set_state
from core.services.explain import explained_models
from core.services.figures import attention_image, patient_nomogram
from ui.guard import guarded, guarded_view
from ui.page import go, open_case


@guarded_view
def show() -> None:
    st.title("Risk")
    case = open_case()
    if case is None:
        return
    if not case.predictions:
        st.info("This case has not been analysed yet.")
        if st.button("Go to the review page", type="primary"):
            go("review")
        return
    computed = [p for p in case.predictions if p["computed"] and not p["outdated"]]
    if any(p["outdated"] for p in case.predictions):
        outdated_notice()
    explained = explained_models(case.code)
    for prediction in computed:
        _computed(case.code, prediction, explained)
    for prediction in (p for p in case.predictions if not p["computed"] and not p["outdated"]):
        with st.container(border=True):
            st.markdown(f"**{prediction['title']}** — not applied")
            for reason in prediction["reasons"]:
                st.write(reason)
            st.caption(_provenance(prediction))
    if computed and st.button("Reviewed, continue to the tumour board", type="primary"):
        with guarded():
            set_state(case.code, CaseState.REVIEWED)
            go("board")


def outdated_notice() -> None:
    """Results of an earlier mask, phase or value are never shown as this case's."""
    st.warning("A mask, a phase or a clinical value has changed since the last analysis. Analyse the case again.")
    if st.button("Go to the review page", type="primary"):
        go("review")


def summary(prediction: dict[str, Any]) -> None:
    """The numbers of one model in a row, with what speaks against using them."""
    if not prediction["applicable"]:
        reasons = "\n".join(f"- {r}" for r in prediction["reasons"])
        st.warning(f"**Outside the population this model was trained on.**\n{reasons}", icon=":material/warning:")
    low, high = prediction["interval"]
    columns = st.columns(4)
    columns[0].metric("Probability", f"{prediction['probability']:.1%}", help=f"Of {prediction['outcome']}.")
    columns[1].metric("95 % interval", f"{low:.1%} to {high:.1%}")
    columns[2].metric("Risk group", prediction["risk_group"], help="High from the cut-off on.")
    columns[3].metric("Total points", f"{prediction['total_points']:.1f}")


def _computed(code: str, prediction: dict[str, Any], explained: dict[str, str]) -> None:
    with st.container(border=True):
        st.subheader(prediction["title"])
        summary(prediction)
        st.caption(
            f"Cut-off {prediction['cutoff']:.1%} (Youden's index on out-of-fold predictions of the training cohort). "
            "The interval comes from bootstrap refits of the last regression; signatures are taken as fixed."
        )
        with guarded():
            st.plotly_chart(patient_nomogram(prediction), key=f"nomogram-{prediction['model']}")
        rows = [
            {
                "Predictor": p["label"],
                "Value": f"{p['value']:.4g} {p['unit']}".strip(),
                "Points": round(p["points"], 1),
            }
            for p in prediction["predictors"]
        ]
        st.dataframe(rows, hide_index=True, width="stretch")
        if prediction["model"] in explained:
            _attention(code, prediction["model"])
        for note in prediction["notes"]:
            st.caption(note)
        st.caption(_provenance(prediction))


def _attention(code: str, model: str) -> None:
    """Where the network looked, on request: the map takes a few seconds the first time."""
    if st.toggle("Show where the network looked", key=f"attention-{model}"):
        with guarded(), st.spinner("Making the activation map"):
            image = attention_image(code, model)
            st.image(image.pixels, width=560, caption=image.caption)


def _provenance(prediction: dict[str, Any]) -> str:
    data = (
        "trained on synthetic patients, for demonstration"
        if prediction["synthetic"]
        else f"fitted on {prediction.get('cohort') or 'a cohort of its own'}"
    )
    return (
        f"{prediction['model']} version {prediction['version']} of {prediction['model_date']}, {data}. "
        f"Computed {prediction['made']:%Y-%m-%d %H:%M} UTC."
    )
