"""The synthetic cohort: repeatable, physically sensible, and carrying a signal that is not the whole story."""

import numpy as np
import pytest

from core.domain.phase import Modality, Phase
from core.stats.discrimination import auc_delong
from core.synthetic.anatomy import build_anatomy
from core.synthetic.enhancement import tissue_value
from core.synthetic.patients import SyntheticPatient, synthetic_patients
from core.synthetic.render import RenderedCase, body_geometry, render_case, tumour_geometry


def test_the_same_seed_gives_the_same_patients_and_another_seed_others() -> None:
    assert synthetic_patients(5, 1) == synthetic_patients(5, 1)
    assert synthetic_patients(5, 1) != synthetic_patients(5, 2)


def test_more_patients_do_not_change_the_first_ones() -> None:
    assert synthetic_patients(9, 1)[:4] == synthetic_patients(4, 1)


def test_biology_drives_outcomes_without_deciding_them() -> None:
    patients = synthetic_patients(600, 1)
    biology = [p.aggressiveness for p in patients]
    for outcome in ("proliferative", "early_peritumoral_recurrence", "recurrence_event"):
        area = auc_delong([getattr(p, outcome) for p in patients], biology).auc
        assert 0.6 < area < 0.95, outcome


def test_distributions_follow_the_papers_cohorts() -> None:
    patients = synthetic_patients(600, 1)
    assert np.mean([p.age_years for p in patients]) == pytest.approx(58, abs=1.5)
    assert np.mean([p.male for p in patients]) == pytest.approx(0.84, abs=0.05)
    assert np.mean([p.afp_ng_ml >= 400 for p in patients]) == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize(
    ("tissue", "brightest"), [("artery", Phase.AP), ("portal", Phase.PVP), ("liver", Phase.PVP), ("tumour", Phase.AP)]
)
def test_each_tissue_peaks_in_its_phase_on_ct(tissue: str, brightest: Phase) -> None:
    phases = (Phase.NC, Phase.AP, Phase.PVP, Phase.DP)
    values = {p: tissue_value(tissue, p, Modality.CT, washout=0.8) for p in phases}
    assert max(values, key=lambda p: values[p]) is brightest


def test_hepatocytes_take_up_the_agent_in_the_hepatobiliary_phase_and_tumours_do_not() -> None:
    liver = [tissue_value("liver", p, Modality.MR) for p in (Phase.PVP, Phase.HBP)]
    tumour = [tissue_value("tumour", p, Modality.MR) for p in (Phase.PVP, Phase.HBP)]
    assert liver[1] > liver[0]
    assert tumour[1] < tumour[0]


def test_a_crop_around_the_tumour_holds_the_same_anatomy_as_the_whole_body(patient: SyntheticPatient) -> None:
    whole = build_anatomy(patient, body_geometry(Modality.CT))
    crop = build_anatomy(patient, tumour_geometry(patient, Modality.CT))
    assert crop.tumour_zyx.sum() == whole.tumour_zyx.sum()


def test_a_rendered_case_has_tumour_in_liver_and_fat_beside_it(ct_case: RenderedCase) -> None:
    assert not (ct_case.tumour.array_zyx[ct_case.liver.array_zyx == 0]).any()
    fat = ct_case.phases[Phase.PVP].array_zyx[ct_case.omental_fat.array_zyx > 0]
    assert -130 < np.median(fat) < -70


def test_shell_enhancement_shows_in_the_arterial_phase() -> None:
    patients = sorted(synthetic_patients(40, 2), key=lambda p: p.signs.shell_enhancement)

    def shell_over_liver(patient: SyntheticPatient) -> float:
        case = render_case(patient, Modality.CT, geometry=tumour_geometry(patient, Modality.CT), phases=(Phase.AP,))
        anatomy = build_anatomy(patient, case.tumour.geometry)
        image = case.phases[Phase.AP].array_zyx
        liver = anatomy.tissue_zyx == anatomy.names.index("liver")
        near = liver & (anatomy.tumour_depth_mm_zyx < -1) & (anatomy.tumour_depth_mm_zyx > -4)
        return float(image[near].mean() - image[liver & (anatomy.tumour_depth_mm_zyx < -12)].mean())

    assert shell_over_liver(patients[-1]) > shell_over_liver(patients[0]) + 10
