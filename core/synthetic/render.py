"""Images of a synthetic patient: anatomy, enhancement, texture and noise put together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.domain.phase import Modality, Phase
from core.domain.volume import Geometry, Volume
from core.synthetic.anatomy import RIM_MM, SHELL_MM, Anatomy, Field, build_anatomy, tumour_centre_mm
from core.synthetic.enhancement import tissue_value
from core.synthetic.patients import SyntheticPatient

PHASES = {
    Modality.CT: (Phase.NC, Phase.AP, Phase.PVP, Phase.DP),
    Modality.MR: (Phase.AP, Phase.PVP, Phase.DP, Phase.HBP),
}
SPACING_MM_XYZ = {Modality.CT: (1.2, 1.2, 2.5), Modality.MR: (1.25, 1.25, 3.0)}
BODY_MIN_MM = np.array([-180.0, -132.0, -95.0])
BODY_MAX_MM = np.array([180.0, 132.0, 95.0])
TUMOUR_MARGIN_MM = 22.0
CT_NOISE_HU = 11.0
MR_NOISE_FRACTION = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """How a site's scanner differs from the reference: noise, blur and signal by factors, on CT an offset in HU."""

    noise: float = 1.0
    blur: float = 1.0
    gain: float = 1.0
    offset_hu: float = 0.0


REFERENCE_SCANNER = Scanner()
# A site that the models have not seen: noisier, softer kernel, more contrast.
SHIFTED_SCANNER = Scanner(noise=1.5, blur=1.35, gain=1.06, offset_hu=4.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RenderedCase:
    """Phases of one patient on one grid with the true masks."""

    modality: Modality
    phases: dict[Phase, Volume]
    tumour: Volume
    liver: Volume
    omental_fat: Volume


def body_geometry(modality: Modality) -> Geometry:
    """The grid of a whole study."""
    return _grid(BODY_MIN_MM, BODY_MAX_MM, modality)


def tumour_geometry(patient: SyntheticPatient, modality: Modality) -> Geometry:
    """The part of the whole grid around the tumour: what feature extraction needs, at a fraction of the cost."""
    centre = tumour_centre_mm(patient)
    half = patient.diameter_mm / 2 * 1.45 + TUMOUR_MARGIN_MM
    spacing = np.array(SPACING_MM_XYZ[modality])
    low = BODY_MIN_MM + np.floor((np.maximum(centre - half, BODY_MIN_MM) - BODY_MIN_MM) / spacing) * spacing
    return _grid(low, np.minimum(centre + half, BODY_MAX_MM), modality)


def _grid(low: NDArray[np.float64], high: NDArray[np.float64], modality: Modality) -> Geometry:
    spacing = SPACING_MM_XYZ[modality]
    size = [int(np.floor((high[i] - low[i]) / spacing[i])) + 1 for i in range(3)]
    return Geometry(
        size_xyz=(size[0], size[1], size[2]),
        spacing_mm_xyz=spacing,
        origin_mm_lps=(float(low[0]), float(low[1]), float(low[2])),
    )


def render_case(
    patient: SyntheticPatient,
    modality: Modality,
    *,
    geometry: Geometry | None = None,
    phases: tuple[Phase, ...] | None = None,
    scanner: Scanner = REFERENCE_SCANNER,
) -> RenderedCase:
    """Render a study of a patient.

    Parameters
    ----------
    geometry : grid to render on; default the whole body.
    phases : phases to render; default all of the modality.
    """
    grid = geometry or body_geometry(modality)
    anatomy = build_anatomy(patient, grid)
    textures = _Textures(patient, modality, anatomy)
    images = {p: _render_phase(patient, modality, p, anatomy, textures, scanner) for p in phases or PHASES[modality]}
    return RenderedCase(
        modality=modality,
        phases=images,
        tumour=_mask(anatomy.tumour_zyx, grid),
        liver=_mask(anatomy.liver_zyx, grid),
        omental_fat=_mask(anatomy.omental_fat_zyx, grid),
    )


def _mask(array_zyx: NDArray[np.bool_], geometry: Geometry) -> Volume:
    return Volume(array_zyx=array_zyx.astype(np.uint8), geometry=geometry)


class _Textures:
    """Random fields shared by all phases: a patient's tissue does not change between them."""

    def __init__(self, patient: SyntheticPatient, modality: Modality, anatomy: Anatomy) -> None:
        stream = 10 if modality is Modality.CT else 11
        rng = np.random.default_rng([patient.seed, stream])
        spacing = np.array(SPACING_MM_XYZ[modality])[::-1]
        shape = anatomy.tissue_zyx.shape
        self.parenchyma = smooth_noise(rng, shape, 3.0 / spacing)
        self.nodules = smooth_noise(rng, shape, 4.5 / spacing)
        self.patches = smooth_noise(rng, shape, (1.5 + 0.09 * patient.diameter_mm) / spacing)
        self.bias = smooth_noise(rng, shape, 45.0 / spacing)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], sigma_voxels: NDArray[np.float64]) -> Field:
    """Gaussian noise smoothed to a correlation length, scaled to standard deviation 1.

    A long correlation is made on a coarser grid and interpolated: the same field, much sooner.
    """
    step = np.maximum(1, np.floor(sigma_voxels / 2)).astype(int)
    coarse = tuple(int(np.ceil(n / s)) + 2 for n, s in zip(shape, step, strict=True))
    field = ndimage.gaussian_filter(rng.standard_normal(coarse, dtype=np.float32), sigma_voxels / step, mode="wrap")
    field = (field - field.mean()) / max(float(field.std()), 1e-6)
    if max(step) > 1:
        field = ndimage.zoom(field, step, order=1)
    return np.ascontiguousarray(field[tuple(slice(0, n) for n in shape)], np.float32)


def _render_phase(
    patient: SyntheticPatient,
    modality: Modality,
    phase: Phase,
    anatomy: Anatomy,
    textures: _Textures,
    scanner: Scanner,
) -> Volume:
    table = np.array([tissue_value(name, phase, modality) for name in anatomy.names], np.float32)
    image = table[anatomy.tissue_zyx]
    contrast = 1.0 if modality is Modality.CT else 2.0
    in_liver = anatomy.tissue_zyx == anatomy.names.index("liver")
    image += np.where(in_liver, 5.0 * contrast * textures.parenchyma, 0).astype(np.float32)
    _paint_shell(image, patient, modality, phase, anatomy, in_liver)
    _paint_tumour(image, patient, modality, phase, anatomy, textures)
    stored = _acquire(image, patient, modality, phase, anatomy, textures, scanner)
    return Volume(array_zyx=stored, geometry=anatomy.geometry)


def _paint_shell(
    image: Field,
    patient: SyntheticPatient,
    modality: Modality,
    phase: Phase,
    anatomy: Anatomy,
    in_liver: NDArray[np.bool_],
) -> None:
    """Peritumoral arterial hyperenhancement, and in the hepatobiliary phase hypointensity, fading outwards."""
    gain = {Phase.AP: 34.0, Phase.PVP: 10.0, Phase.DP: 4.0, Phase.HBP: -45.0}.get(phase, 0.0)
    if modality is Modality.MR:
        gain *= 2.0
    depth = anatomy.tumour_depth_mm_zyx
    near = (depth <= 0) & (depth > -SHELL_MM) & in_liver
    image[near] += gain * patient.signs.shell_enhancement * (1 + depth[near] / SHELL_MM)


def _paint_tumour(
    image: Field,
    patient: SyntheticPatient,
    modality: Modality,
    phase: Phase,
    anatomy: Anatomy,
    textures: _Textures,
) -> None:
    """Tumour tissue with nodules and necrosis, an enhancing rim, and a margin blended over a voxel."""
    signs = patient.signs
    washout = 0.25 + 0.75 * signs.washout
    solid = tissue_value("tumour", phase, modality, washout)
    necrotic = tissue_value("necrosis", phase, modality)
    rim = tissue_value("rim", phase, modality)
    scale = 1.0 if modality is Modality.CT else 2.0
    inside = anatomy.tumour_depth_mm_zyx > -1.5
    depth = anatomy.tumour_depth_mm_zyx[inside]
    heterogeneity = signs.texture_heterogeneity
    value = solid + scale * (4.0 + 15.0 * heterogeneity) * textures.nodules[inside]
    # Necrosis takes the top of a smooth field: hardly any of a homogeneous tumour, a third of a heterogeneous one.
    necrosis = 1 / (1 + np.exp(-(textures.patches[inside] - (2.6 - 2.1 * heterogeneity)) / 0.15))
    necrosis *= np.clip(depth / 4.0, 0, 1)
    value += necrosis * (necrotic - value)
    rim_weight = signs.rim * np.exp(-(((depth - RIM_MM / 2) / (RIM_MM / 2)) ** 2))
    value += rim_weight * (rim - value)
    blend = np.clip((depth + 0.75) / 1.5, 0, 1)
    image[inside] += blend * (value - image[inside])


def _acquire(
    image: Field,
    patient: SyntheticPatient,
    modality: Modality,
    phase: Phase,
    anatomy: Anatomy,
    textures: _Textures,
    scanner: Scanner,
) -> NDArray[np.int16]:
    """Blur of the scanner, noise, and for MR the coil's bias field; stored as 16-bit integers."""
    rng = np.random.default_rng([patient.seed, 20 + list(Phase).index(phase), int(modality is Modality.MR)])
    blurred = scanner.gain * ndimage.gaussian_filter(image, scanner.blur * np.array([0.35, 0.6, 0.6]))
    noise = ndimage.gaussian_filter(rng.standard_normal(image.shape, dtype=np.float32), (0.3, 0.6, 0.6))
    noise /= max(float(noise.std()), 1e-6)
    if modality is Modality.CT:
        shifted = blurred + scanner.offset_hu + scanner.noise * CT_NOISE_HU * noise
        return np.clip(np.round(shifted), -1024, 3071).astype(np.int16)
    shaded = blurred * (1 + 0.05 * textures.bias)
    level = scanner.noise * MR_NOISE_FRACTION * tissue_value("liver", phase, modality)
    return np.clip(np.round(np.hypot(shaded + level * noise, level * 0.3)), 0, 4095).astype(np.int16)
