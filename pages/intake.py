"""Take a study in, confirm its phases, record clinical values."""

from ui.views.intake import show

show()
