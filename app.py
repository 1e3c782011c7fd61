"""The door: Streamlit's ASGI app with HepaBoard's own routes. `streamlit run app.py` serves it."""

import streamlit as st

from core.services.jobs import resume_jobs
from core.services.setup import ensure_database
from ui.routes import middleware, routes

ensure_database()
resume_jobs()
app = st.App("pages/main.py", routes=routes(), middleware=middleware())
