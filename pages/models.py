"""The model registry."""

from ui.views.models import show

show()
