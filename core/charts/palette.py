"""Colours that stay the same for the same thing everywhere (Okabe-Ito, told apart by colour-blind readers)."""

GROUP_COLOURS = {"low": "#0072B2", "high": "#D55E00"}
GROUP_DASHES = {"low": "solid", "high": "dash"}
PATIENT_COLOUR = "#CC79A7"
NEUTRAL = "#7f8c95"


def translucent(colour: str, alpha: float) -> str:
    """A hex colour as rgba()."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
