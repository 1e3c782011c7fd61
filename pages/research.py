"""Train a recipe on a cohort."""

from ui.views.research import show

show()
