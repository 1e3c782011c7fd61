"""Everything that is Streamlit and shared by pages."""
