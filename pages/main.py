"""The script that st.App runs: navigation, the case picker and the notice around every page."""

import streamlit as st

from ui.guard import guarded
from ui.page import ICON, PAGES, case_picker, notice, style

st.set_page_config(page_title="HepaBoard", page_icon=str(ICON), layout="wide")
sections = {
    "Case": ["worklist", "intake", "review", "risk", "cohort", "board"],
    "Reference": ["scores"],
    "Models": ["research", "models"],
}
page = st.navigation(
    {
        section: [st.Page(PAGES[n][0], title=PAGES[n][1], default=n == "worklist") for n in names]
        for section, names in sections.items()
    }
)
style()
with guarded():
    case_picker()
    notice()
page.run()
