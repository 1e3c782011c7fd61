"""Which contrast phase a series is: what its description says, then what its image shows."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.phase import Modality, Phase, PhaseEvidence
from core.domain.volume import Volume

_NAMES = {
    Phase.NC: r"non[- _]?con|native|plain|unenhanced|pre[- _]?con|without contrast|\bnc\b|\bncct\b|\bpre\b",
    Phase.AP: r"arter|\bart\b|\bap\b|\bhap\b",
    Phase.PVP: r"portal|\bpvp?\b|\bvenous|\bven\b|\bpp\b",
    Phase.DP: r"delay|equilib|\bdp\b|\b3 ?min|\b180 ?s|transitional",
    Phase.HBP: r"hepato[- ]?bil|\bhbp\b|\b20 ?min",
}
# Typical attenuation (mean, standard deviation in HU) of aorta and liver parenchyma in each CT phase at about 120 kV
# and 1.5 mL/kg of contrast agent; chosen from routine protocols, wide enough for other tube voltages and doses.
_CT_TYPICAL = {
    Phase.NC: ((42, 12), (57, 9)),
    Phase.AP: ((300, 75), (72, 13)),
    Phase.PVP: ((165, 40), (106, 17)),
    Phase.DP: ((105, 18), (88, 13)),
}
_MR_TYPICAL_RATIO = {
    Phase.NC: (0.60, 0.10),
    Phase.AP: (2.1, 0.5),
    Phase.PVP: (1.1, 0.15),
    Phase.DP: (0.78, 0.10),
    Phase.HBP: (0.43, 0.10),
}
WORKING_SPACING_MM = (2.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enhancement:
    """Mean of the aorta's lumen and median of liver parenchyma (HU, or MR signal); None where not found."""

    aorta: float | None
    liver: float | None


def recognise_phase(volume: Volume, modality: Modality, description: str) -> PhaseEvidence:
    """Name the phase of a series.

    A description that names exactly one phase is believed unless the image speaks clearly against it; one that names
    none, or several (a protocol), leaves it to the image.
    """
    named = phases_named(description)
    found = measure_enhancement(volume, modality)
    seen, shares, image_says = _from_image(found, modality)
    if len(named) == 1:
        phase = named[0]
        says = f"The series description '{description}' names the {phase.label.lower()} phase."
        if seen is None or shares.get(phase, 1.0) > 0.02:
            return PhaseEvidence(phase=phase, confidence=0.95, evidence=(says, *image_says))
        doubt = f"The image looks {seen.label.lower()} instead: confirm."
        return PhaseEvidence(phase=phase, confidence=0.4, evidence=(says, *image_says, doubt))
    why = "names no single phase" if description else "is absent"
    says = f"The series description {f'{description!r} ' if description else ''}{why}; the image decides."
    if seen is None:
        return PhaseEvidence(phase=Phase.UNKNOWN, confidence=0.0, evidence=(says, *image_says))
    confidence = shares[seen] if modality is Modality.CT else min(0.6, shares[seen])
    return PhaseEvidence(phase=seen, confidence=round(confidence, 2), evidence=(says, *image_says))


def phases_named(description: str) -> list[Phase]:
    """Every phase that a text names."""
    text = description.lower().replace("_", " ")
    return [phase for phase, pattern in _NAMES.items() if re.search(pattern, text)]


def _from_image(found: Enhancement, modality: Modality) -> tuple[Phase | None, dict[Phase, float], tuple[str, ...]]:
    """The likeliest phase, each phase's share of the likelihood, and a sentence on what was measured."""
    if found.liver is None or found.aorta is None:
        missing = (
            "liver and aorta"
            if found.liver is None and found.aorta is None
            else ("liver" if found.liver is None else "aorta")
        )
        return None, {}, (f"The {missing} could not be found in the image.",)
    if modality is Modality.CT:
        logs = {
            p: _log_normal(found.aorta, *aorta) + _log_normal(found.liver, *liver)
            for p, (aorta, liver) in _CT_TYPICAL.items()
        }
        says = f"Liver parenchyma {found.liver:.0f} HU, aorta {found.aorta:.0f} HU"
    else:
        ratio = found.aorta / max(found.liver, 1e-6)
        logs = {p: _log_normal(ratio, *typical) for p, typical in _MR_TYPICAL_RATIO.items()}
        says = f"Aorta to liver signal ratio {ratio:.2f}"
    best = max(logs, key=lambda p: logs[p])
    weights = {p: float(np.exp(v - logs[best])) for p, v in logs.items()}
    shares = {p: w / sum(weights.values()) for p, w in weights.items()}
    return best, shares, (f"{says}: typical of the {best.label.lower()} phase.",)


def _log_normal(value: float, mean: float, sd: float) -> float:
    return -0.5 * ((value - mean) / sd) ** 2 - float(np.log(sd))


def measure_enhancement(volume: Volume, modality: Modality) -> Enhancement:
    """Find aorta and liver without a trained model, on a coarse copy in patient orientation.

    Liver: the largest deep piece of homogeneous soft tissue on the patient's right. Aorta: a bright or dark disc of
    vessel size with an even inside, just in front of the spine, that stays in place over many slices.
    """
    image = _working_copy(volume)
    if min(image.shape) < 8:
        return Enhancement(aorta=None, liver=None)
    body = _body(image, modality)
    liver = _liver_value(image, body, modality)
    return Enhancement(aorta=_aorta_value(image, body, liver, modality), liver=liver)


def _working_copy(volume: Volume) -> NDArray[np.float32]:
    """The image at about 2×2×4 mm with axes z to the head, y to the back, x to the patient's left."""
    import SimpleITK as sitk  # noqa: N813

    from core.imaging.simpleitk import to_sitk

    image = sitk.DICOMOrient(sitk.Cast(to_sitk(volume), sitk.sitkFloat32), "LPS")
    shrink = [max(1, round(w / s)) for w, s in zip(WORKING_SPACING_MM, image.GetSpacing(), strict=True)]
    return np.asarray(sitk.GetArrayFromImage(sitk.BinShrink(image, shrink)), np.float32)


def _body(image: NDArray[np.float32], modality: Modality) -> NDArray[np.bool_]:
    from scipy import ndimage

    threshold = -300.0 if modality is Modality.CT else 0.15 * float(np.percentile(image, 98))
    solid = ndimage.binary_opening(image > threshold, np.ones((1, 3, 3)))
    labels, count = ndimage.label(solid)
    if not count:
        return np.zeros(image.shape, bool)
    return np.asarray(labels == int(np.bincount(labels.ravel())[1:].argmax()) + 1)


def _liver_value(image: NDArray[np.float32], body: NDArray[np.bool_], modality: Modality) -> float | None:
    from scipy import ndimage

    low, high = (30.0, 190.0) if modality is Modality.CT else _mr_tissue_range(image, body)
    smooth = ndimage.gaussian_filter(image, (0.7, 1.2, 1.2))
    gradient = ndimage.gaussian_gradient_magnitude(image, (0.7, 1.2, 1.2))
    even = gradient < (high - low) * 0.05
    tissue = body & (smooth > low) & (smooth < high) & even
    columns = np.flatnonzero(body.any(axis=(0, 1)))
    if not len(columns):
        return None
    # The patient's right is at small x; the liver's bulk lies there.
    tissue[:, :, int(columns.mean()) :] = False
    core = ndimage.binary_erosion(tissue, np.ones((2, 4, 4)))
    labels, count = ndimage.label(core)
    if not count:
        return None
    sizes = np.bincount(labels.ravel())[1:]
    if sizes.max() < 300:
        return None
    return float(np.median(smooth[labels == int(sizes.argmax()) + 1]))


def _mr_tissue_range(image: NDArray[np.float32], body: NDArray[np.bool_]) -> tuple[float, float]:
    inside = image[body]
    low, high = (float(v) for v in np.percentile(inside, [30, 99.5]))
    return low, high


def _aorta_value(
    image: NDArray[np.float32], body: NDArray[np.bool_], liver: float | None, modality: Modality
) -> float | None:
    """Vote for disc centres over slices, inside a window in front of the spine and not right of it."""
    from scipy import ndimage

    reference = liver if liver is not None else float(np.median(image[body])) if body.any() else 0.0
    disc, ring = _disc(3.2), _disc(8.0) & ~_disc(6.6, box=8.0)
    step_limit = (0.14 if modality is Modality.CT else 0.09) * max(abs(reference), 60.0)
    window = _prevertebral_window(image, body, modality)
    if window is None:
        return None
    ys, xs = window
    found, means = [], []
    for plane in image:
        part = plane[ys, xs]
        mean = ndimage.convolve(part, disc / disc.sum(), mode="nearest")
        spread = np.sqrt(np.maximum(ndimage.convolve(part**2, disc / disc.sum(), mode="nearest") - mean**2, 0))
        even = spread < np.maximum(step_limit, 0.10 * np.abs(mean))
        # Over half of the ring must be darker (or, in late MR phases, brighter): a disc inside a vertebra fails.
        darker = mean - ndimage.percentile_filter(part, 55, footprint=ring, mode="nearest") > 1.5 * step_limit
        brighter = ndimage.percentile_filter(part, 45, footprint=ring, mode="nearest") - mean > 1.5 * step_limit
        plausible = (mean > 25) & (mean < 600) if modality is Modality.CT else mean > 0
        found.append(even & plausible & (darker if modality is Modality.CT else darker | brighter))
        means.append(mean)
    return _value_along_track(np.stack(found), np.stack(means))


def _value_along_track(found: NDArray[np.bool_], means: NDArray[np.float32]) -> float | None:
    """Median along the longest chain of discs that moves at most two pixels a slice, if it is long enough."""
    from scipy import ndimage

    lengths = np.zeros(found.shape, np.float32)
    lengths[0] = found[0]
    for k in range(1, len(found)):
        lengths[k] = found[k] + ndimage.maximum_filter(lengths[k - 1], size=5) * (1 - 0.02 * ~found[k])
    z = len(found) - 1
    y, x = map(int, np.unravel_index(int(lengths[z].argmax()), lengths[z].shape))
    if lengths[z, y, x] < max(4.0, 0.25 * len(found)):
        return None
    values = []
    while z >= 0:
        if found[z, y, x]:
            values.append(float(means[z, y, x]))
        z -= 1
        if z >= 0:
            y0, x0 = max(0, y - 2), max(0, x - 2)
            near = lengths[z, y0 : y + 3, x0 : x + 3]
            dy, dx = map(int, np.unravel_index(int(near.argmax()), near.shape))
            y, x = y0 + dy, x0 + dx
    return float(np.median(values))


def _disc(radius: float, box: float | None = None) -> NDArray[np.bool_]:
    """A disc of `radius` pixels in the middle of a square that holds one of `box` pixels (default the same)."""
    n = int(np.ceil(box or radius))
    y, x = np.mgrid[-n : n + 1, -n : n + 1]
    return np.asarray(x**2 + y**2 <= radius**2)


def _prevertebral_window(
    image: NDArray[np.float32], body: NDArray[np.bool_], modality: Modality
) -> tuple[slice, slice] | None:
    """Rows and columns of a box in front of the spine: 90 mm deep, from 15 mm right to 45 mm left of its middle."""
    where = np.argwhere(body.any(axis=0))
    if not len(where):
        return None
    (top, left), (bottom, right) = where.min(axis=0), where.max(axis=0)
    middle_x = (left + right) // 2
    spine_y = top + int(0.72 * (bottom - top))
    if modality is Modality.CT:
        bone = (image > 160) & body
        bone[:, : top + (bottom - top) // 2] = False
        bone[:, :, : middle_x - 25] = False
        bone[:, :, middle_x + 25 :] = False
        share = bone.mean(axis=0)
        if share.max() > 0.3:
            rows, columns = np.nonzero(share > 0.3)
            middle_x, spine_y = int(np.median(columns)), int(np.median(rows))
    ys = slice(max(0, spine_y - 38), max(8, spine_y - 2))
    xs = slice(max(0, middle_x - 8), min(image.shape[2], middle_x + 23))
    return ys, xs
