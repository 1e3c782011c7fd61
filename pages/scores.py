"""Published scores."""

from ui.views.scores import show

show()
