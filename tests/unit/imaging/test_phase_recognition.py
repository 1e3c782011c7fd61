"""Phases from series descriptions and from what the image shows."""

from pathlib import Path

import numpy as np
import pytest

from core.domain.phase import Modality, Phase
from core.domain.volume import Geometry, Volume
from core.imaging.dicom import read_series
from core.imaging.phase_recognition import measure_enhancement, phases_named, recognise_phase
from core.synthetic.render import RenderedCase


@pytest.mark.parametrize(
    ("description", "phases"),
    [
        ("Abdomen arterial 1.5 B30f", [Phase.AP]),
        ("LIVER_ART", [Phase.AP]),
        ("Portal venous", [Phase.PVP]),
        ("T1 VIBE PVP", [Phase.PVP]),
        ("eq delayed 3 min", [Phase.DP]),
        ("HBP 20min", [Phase.HBP]),
        ("Native non contrast", [Phase.NC]),
        ("Recon 3: LIVER 2 PHASE (C/A/P)", []),
        ("Arterial and portal venous", [Phase.AP, Phase.PVP]),
        ("", []),
    ],
)
def test_descriptions_name_phases(description: str, phases: list[Phase]) -> None:
    assert phases_named(description) == phases


@pytest.mark.parametrize("phase", [Phase.NC, Phase.AP, Phase.PVP, Phase.DP])
def test_a_ct_phase_is_recognised_from_the_image_alone(ct_case: RenderedCase, phase: Phase) -> None:
    found = recognise_phase(ct_case.phases[phase], Modality.CT, "")
    assert found.phase is phase
    assert "HU" in found.evidence[-1]


def test_a_description_that_the_image_contradicts_is_doubted(ct_case: RenderedCase) -> None:
    found = recognise_phase(ct_case.phases[Phase.NC], Modality.CT, "arterial phase")
    assert found.confidence < 0.5
    assert "confirm" in found.evidence[-1]


def test_a_description_that_the_image_supports_is_believed(ct_case: RenderedCase) -> None:
    assert recognise_phase(ct_case.phases[Phase.AP], Modality.CT, "arterial phase").confidence > 0.9


def test_flipped_axes_change_nothing(ct_case: RenderedCase) -> None:
    volume = ct_case.phases[Phase.PVP]
    g = volume.geometry
    end = g.to_mm_lps(np.array([g.size_xyz[0] - 1, 0, 0]))
    flipped = Volume(
        array_zyx=volume.array_zyx[:, :, ::-1].copy(),
        geometry=Geometry(
            size_xyz=g.size_xyz,
            spacing_mm_xyz=g.spacing_mm_xyz,
            origin_mm_lps=tuple(map(float, end)),
            direction=(-1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0),
        ),
    )
    assert recognise_phase(flipped, Modality.CT, "").phase is Phase.PVP


def test_noise_has_no_phase() -> None:
    array = np.random.default_rng(0).normal(0, 300, (30, 80, 80)).astype(np.int16)
    volume = Volume(array_zyx=array, geometry=Geometry(size_xyz=(80, 80, 30), spacing_mm_xyz=(2.0, 2.0, 4.0)))
    assert recognise_phase(volume, Modality.CT, "").phase is Phase.UNKNOWN


def test_the_real_ct_is_portal_venous_although_its_description_names_a_protocol(hcc_dicom: Path) -> None:
    series, _ = read_series([p for p in hcc_dicom.rglob("*.dcm")])
    found = recognise_phase(series[0].volume, Modality.CT, series[0].description)
    measured = measure_enhancement(series[0].volume, Modality.CT)
    assert found.phase is Phase.PVP
    assert found.confidence > 0.8
    # The data's own description: liver parenchyma about 100 HU, 95th percentile of the aorta 228 HU.
    assert measured.liver == pytest.approx(100, abs=15)
    assert measured.aorta == pytest.approx(215, abs=25)
