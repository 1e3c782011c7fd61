"""Figures and key images of a case, made from stored results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.charts.nomogram import nomogram_figure
from core.charts.survival import at_risk_rows, survival_figure
from core.domain.prediction import PredictorPoints
from core.imaging.resampling import resample_mask
from core.services.cases import CaseView
from core.services.cohort import GroupSurvival, nomogram_of
from core.services.explain import attention
from core.services.store import file_store

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["KeyImage", "at_risk_rows", "attention_image", "cohort_figure", "key_images", "patient_nomogram"]


def patient_nomogram(prediction: dict[str, Any]) -> go.Figure:
    """The nomogram of the variant that made a stored prediction, with the patient's markers."""
    nomogram, outcome = nomogram_of(prediction["model"], prediction["version"], prediction["variant"])
    points = tuple(PredictorPoints(**p) for p in prediction["predictors"])
    title = f"Nomogram: {prediction['title']}"
    return nomogram_figure(nomogram, points, title=title, outcome=outcome)


def cohort_figure(survival: GroupSurvival, patient_group: str | None) -> go.Figure:
    """Kaplan-Meier curves of the reference cohort, the patient's group marked."""
    kind = "synthetic reference cohort" if survival.synthetic else "reference cohort"
    title = f"{survival.endpoint} by risk group, {kind}"
    return survival_figure(survival.curves, title=title, endpoint=survival.endpoint, patient_group=patient_group)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeyImage:
    """One axial slice as (rows, columns, 3) of 0..255, the tumours' outlines drawn in; patient's right on the left."""

    phase: str
    caption: str
    pixels: NDArray[np.uint8]


OUTLINE = (0, 176, 255)
# Dark red over orange to yellow: lightness grows with strength, also without colour vision.
HEAT_STEPS = (0.0, 0.5, 1.0)
HEAT_COLOURS = ((90, 230, 255), (0, 110, 240), (10, 20, 80))
HEAT_OPACITY = 0.65


def key_images(case: CaseView) -> list[KeyImage]:
    """Each phase at the slice with the largest area of the index lesion, every lesion outlined."""
    lesion = case.index_lesion
    if lesion is None:
        return []
    store = file_store()
    masks = {m.sha256: store.volume(m.sha256) for m in case.tumours}
    images = []
    for phase in case.phases:
        volume = store.volume(phase["sha256"])
        tumours = {s: resample_mask(m, volume.geometry).array_zyx > 0 for s, m in masks.items()}
        z = int(np.argmax(tumours[lesion.sha256].sum(axis=(1, 2))))
        grey = _grey(volume.array_zyx[z], case.modality)
        pixels = np.repeat(grey[:, :, None], 3, axis=2)
        for tumour in tumours.values():
            pixels[_outline(tumour[z])] = OUTLINE
        height = volume.geometry.spacing_mm_xyz[1] * pixels.shape[0]
        width = volume.geometry.spacing_mm_xyz[0] * pixels.shape[1]
        where = f"slice {z + 1} of {len(volume.array_zyx)}"
        caption = f"{phase['phase']} · {where} · {width:.0f} × {height:.0f} mm · R on the left"
        images.append(
            KeyImage(phase=phase["phase"], caption=caption, pixels=_upright(pixels, volume.geometry.direction))
        )
    return images


def attention_image(code: str, model: str) -> KeyImage:
    """The slice where the region is largest, a model's activation map laid over it and the region outlined.

    Raises
    ------
    InputError, UnavailableError
        When there is no map to show, with the reason.
    """
    found = attention(code, model)
    z = int((found.mask.array_zyx > 0).sum(axis=(1, 2)).argmax())
    grey = _grey(found.image.array_zyx[z], found.modality)
    strength = found.map.array_zyx[z][:, :, None].astype(float)
    heat = np.stack([np.interp(strength[..., 0], HEAT_STEPS, c) for c in HEAT_COLOURS], axis=2)
    pixels = (grey[:, :, None] * (1 - HEAT_OPACITY * strength) + heat * HEAT_OPACITY * strength).astype(np.uint8)
    pixels[_outline(found.mask.array_zyx[z] > 0)] = OUTLINE
    caption = (
        f"{found.phase} · slice {z + 1} of {len(found.map.array_zyx)} · Grad-CAM of {found.network} at {found.layer}, "
        f"dark red weak to yellow strong · {found.inside:.0%} of it inside the outlined region · R on the left"
    )
    return KeyImage(phase=found.phase, caption=caption, pixels=_upright(pixels, found.image.geometry.direction))


def _grey(slice_yx: NDArray[Any], modality: str) -> NDArray[np.uint8]:
    low, high = (-110.0, 190.0) if modality == "CT" else np.percentile(slice_yx, [1, 99.5])
    return (np.clip((slice_yx.astype(float) - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)


def _outline(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy import ndimage

    return np.asarray(ndimage.binary_dilation(region) & ~region)


def _upright(pixels: NDArray[np.uint8], direction: tuple[float, ...]) -> NDArray[np.uint8]:
    """Columns run to the patient's left and rows to the back, whatever the file's axes."""
    if direction[0] < 0:
        pixels = pixels[:, ::-1]
    if direction[4] < 0:
        pixels = pixels[::-1]
    return pixels
