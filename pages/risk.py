"""Probability, nomogram points and risk group."""

from ui.views.risk import show

show()
