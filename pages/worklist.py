"""All cases and their next step."""

from ui.views.worklist import show

show()
