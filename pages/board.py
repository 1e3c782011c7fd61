"""One page for the tumour board."""

from ui.views.board import show

show()
