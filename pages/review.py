"""Phases side by side, the tumour mask, analysis."""

from ui.views.review import show

show()
