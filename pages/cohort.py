"""Where the patient stands on the reference cohort."""

from ui.views.cohort import show

show()
