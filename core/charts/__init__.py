"""Plotly figures from results; nothing is computed here."""
