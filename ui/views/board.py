"""The tumour board: one page a case, and the decision in the board's own words."""

from typing import Any

import streamlit as st

from core.domain.clinical import VARIABLES
from core.domain.errors import HepaBoardError
from core.services.board import export_csv, record_decision
from core.services.cases import CaseView
from core.services.cohort import endpoints, group_survival
from core.services.figures import KeyImage, key_images
from core.services.scores import SCORES, compute_score
from ui import state
from ui.guard import guarded, guarded_view
from ui.page import go, open_case
from ui.views.cohort import draw
from ui.views.risk import outdated_notice, summary


@guarded_view
def show() -> None:
    st.title("Tumour board")
    case = open_case()
    if case is None:
        return
    st.markdown(f"**Question:** {case.question or 'not recorded'}")
    _images(case)
    left, right = st.columns([1, 1])
    with left:
        _lesions(case)
        _laboratory(case)
    with right:
        _scores(case)
        _missing(case)
    if any(p["outdated"] for p in case.predictions):
        outdated_notice()
    current = [p for p in case.predictions if not p["outdated"]]
    for prediction in sorted(current, key=lambda p: not p["computed"]):
        with st.container(border=True):
            st.markdown(f"**{prediction['title']}**")
            if prediction["computed"]:
                summary(prediction)
                _group_outcome(prediction)
            else:
                st.caption("Not applied. " + " ".join(prediction["reasons"]))
            st.caption(f"{prediction['model']} version {prediction['version']} of {prediction['model_date']}")
    _decision(case)


def _group_outcome(prediction: dict[str, Any]) -> None:
    """The reference cohort's curves by risk group, where its patients were followed."""
    followed = endpoints(prediction["model"], prediction["version"])
    if not followed:
        return
    with st.expander("Outcome of the reference cohort by risk group"), guarded():
        survival = group_survival(
            prediction["model"], prediction["version"], endpoint=followed[0].id, variant=prediction["variant"]
        )
        draw(survival, prediction["risk_group"])


def _images(case: CaseView) -> None:
    images = _cached_images(case)
    if not images:
        st.info("No tumour is marked, so there are no key images yet.")
        if st.button("Go to the review page"):
            go("review")
        return
    for column, image in zip(st.columns(max(len(images), 3)), images, strict=False):
        with column:
            st.image(image.pixels, caption=image.caption, width="stretch")


def _cached_images(case: CaseView) -> list[KeyImage]:
    """Key images are made once a session for the same phases and masks."""
    key = (case.code, tuple(p["sha256"] for p in case.phases), tuple(m.sha256 for m in case.masks))
    held = st.session_state.get(state.KEY_IMAGES)
    if held is None or held[0] != key:
        held = (key, key_images(case))
        st.session_state[state.KEY_IMAGES] = held
    return held[1]


def _lesions(case: CaseView) -> None:
    st.subheader("Lesions")
    rows = [
        {
            "Lesion": m.lesion,
            "Max. diameter (mm)": round(m.measures["max_diameter_mm"], 1),
            "Axial (mm)": round(m.measures["max_axial_diameter_mm"], 1),
            "Volume (mL)": round(m.measures["volume_ml"], 1),
        }
        for m in case.tumours
    ]
    if rows:
        st.dataframe(rows, hide_index=True, width="stretch")
    else:
        st.caption("None marked.")


def _laboratory(case: CaseView) -> None:
    st.subheader("Clinical values")
    rows = [
        {"Variable": VARIABLES[c].label, "Value": f"{v:g} {VARIABLES[c].unit}".strip(),
         "Recorded": f"{case.clinical_dates[c]:%Y-%m-%d}"}
        for c, v in case.clinical.items()
    ]  # fmt: skip
    if rows:
        st.dataframe(rows, hide_index=True, width="stretch", height=min(38 + 35 * len(rows), 260))
    else:
        st.caption("None recorded.")


def _scores(case: CaseView) -> None:
    st.subheader("Liver function")
    for score in SCORES.values():
        try:
            result = compute_score(score.name, case.clinical)
        except HepaBoardError as error:
            st.caption(f"{score.title}: {error}")
        else:
            st.markdown(f"**{result.score}** {result.value:.4g} · {result.group} · {result.meaning}")
            st.caption(f"{result.source}. For: {result.population}.")


def _missing(case: CaseView) -> None:
    missing = [VARIABLES[c].label for c in VARIABLES if c not in case.clinical]
    if missing:
        st.subheader("Not recorded")
        st.caption(", ".join(missing))


def _decision(case: CaseView) -> None:
    st.subheader("Decision of the board")
    for item in case.board:
        st.markdown(f"{item['at']:%Y-%m-%d %H:%M} UTC, {item['author']}: {item['decision']}")
        if item["dissent"]:
            st.caption(f"Dissent: {item['dissent']}")
    with st.form("decision", clear_on_submit=True):
        decision = st.text_area("Decision in the board's words")
        dissent = st.text_input("Dissent, or reason against a model's result (optional)")
        if st.form_submit_button("Record the decision", type="primary"):
            with guarded():
                record_decision(case.code, decision, dissent=dissent)
                state.flash("Decision recorded.")
                st.rerun()
    st.download_button(
        "Export as CSV", export_csv(case.code), file_name=f"{case.code}_board.csv", mime="text/csv", on_click="ignore"
    )
