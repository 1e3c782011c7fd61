"""The model registry: list, register a bundle, promote."""

import tempfile
from pathlib import Path

import streamlit as st

from core.services.registry import ModelRow, list_models, model_card, promote, register_bundle, retire
from ui import state
from ui.guard import guarded, guarded_view


@guarded_view
def show() -> None:
    st.title("Models")
    state.show_flash()
    rows = list_models()
    if rows:
        st.dataframe(
            [
                {
                    "Model": r.name,
                    "Version": r.version,
                    "State": r.state,
                    "Trained": r.created,
                    "Data": "synthetic" if r.synthetic else "centre's cohort",
                    "Registered (UTC)": r.registered.strftime("%Y-%m-%d %H:%M"),
                }
                for r in rows
            ],
            hide_index=True,
            width="stretch",
        )
        index = st.selectbox("Version", range(len(rows)), format_func=lambda i: f"{rows[i].name} {rows[i].version}")
        _details(rows[index or 0])
    else:
        st.info("No model is registered. Register a bundle below.")
    st.subheader("Register a bundle")
    upload = st.file_uploader("Bundle (zip)", type="zip")
    if st.button("Register", disabled=upload is None, type="primary") and upload is not None:
        with guarded(), st.spinner("Checking the bundle…"), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "bundle.zip"
            path.write_bytes(upload.getbuffer())
            made = register_bundle(path)
            state.flash(f"{made.name} version {made.version} is registered as a candidate.")
            st.rerun()


def _details(row: ModelRow) -> None:
    with st.container(horizontal=True):
        if row.state == "candidate" and st.button("Make active"):
            with guarded():
                promote(row.name, row.version)
                state.flash(f"{row.name} version {row.version} is active.")
                st.rerun()
        if row.state != "retired":
            with st.popover("Retire"):
                st.write("A retired version cannot be made active again. Its stored results stay readable.")
                if st.button("Retire for good"):
                    with guarded():
                        retire(row.name, row.version)
                        state.flash(f"{row.name} version {row.version} is retired.")
                        st.rerun()
    with st.expander("Checks at registration"):
        st.dataframe(list(row.checks), hide_index=True, width="stretch")
    with st.expander("History"):
        events = [
            {"When (UTC)": f"{e['at']:%Y-%m-%d %H:%M}", "What": e["event"], "Who": e["author"]} for e in row.events
        ]
        st.dataframe(events, hide_index=True, width="stretch")
    with st.expander("Model card"):
        st.markdown(model_card(row.name, row.version))
