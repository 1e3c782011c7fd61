"""Segmenters: shipped and registered ones, proposals that wait for a reader, accepted or discarded."""

from pathlib import Path

import numpy as np
import pytest

from core.domain.errors import InputError
from core.domain.phase import Modality, Phase
from core.imaging.nifti import nifti_bytes
from core.regions.compare import dice
from core.regions.segmenter import propose, read_settings, read_weights
from core.regions.segmenter_training import SegmenterTraining
from core.services.cases import show_case
from core.services.demonstration_segmenters import (
    HOLD_OUT_SEED,
    PHASES,
    TRAINING_SEED,
    SegmenterSize,
    build_demonstration_segmenter,
)
from core.services.intake import ingest
from core.services.jobs import SEGMENTATION, newest_job, run_job, start_segmentation
from core.services.segment import store_mask
from core.services.segmenters import (
    SHIPPED,
    accept_proposals,
    discard_proposals,
    list_segmenters,
    register_segmenter,
    remove_segmenter,
    segment_by_model,
    store_proposal,
)
from core.synthetic.patients import synthetic_patients
from core.synthetic.render import RenderedCase, render_case
from tests.unit.regions.test_segmenter import write_bundle

TEN_MB = 10 << 20


@pytest.fixture
def case(home: Path, mr_case: RenderedCase, tmp_path: Path) -> str:
    del home
    path = tmp_path / "PVP.nii.gz"
    path.write_bytes(nifti_bytes(mr_case.phases[Phase.PVP]))
    ingest([str(path)], case="MR")
    return "MR"


@pytest.mark.parametrize("modality", list(Modality))
def test_the_shipped_segmenter_finds_liver_and_tumour_in_patients_it_never_saw(modality: Modality) -> None:
    folder = SHIPPED / f"demonstration_{modality.value.lower()}"
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) < TEN_MB
    settings = read_settings(folder)
    assert "synthetic" in settings.description
    weights = read_weights(folder)
    scores = []
    for patient in synthetic_patients(3, HOLD_OUT_SEED + 1):
        rendered = render_case(patient, modality, phases=(Phase.AP,))
        found = propose(settings, weights, rendered.phases[Phase.AP], modality=modality)
        assert dice(found["liver"][0], rendered.liver) > 0.95
        scores.append(dice(found["tumour"][0], rendered.tumour))
    assert np.median(scores) > 0.7


def test_training_and_hold_out_share_no_patient() -> None:
    training = {p.seed for p in synthetic_patients(SegmenterSize().patients, TRAINING_SEED)}
    assert not training & {p.seed for p in synthetic_patients(SegmenterSize().hold_out, HOLD_OUT_SEED)}
    assert len(PHASES[Modality.CT]) == 3


def test_the_command_trains_measures_and_writes_a_bundle(tmp_path: Path) -> None:
    size = SegmenterSize(patients=1, hold_out=1, training=SegmenterTraining(steps=60, learning_rate=5e-3))
    lines: list[str] = []
    folder = build_demonstration_segmenter(Modality.MR, tmp_path / "made", size, lines.append)
    settings = read_settings(folder)
    assert settings.modality is Modality.MR
    assert any("Dice median" in line for line in lines)
    again = build_demonstration_segmenter(Modality.MR, tmp_path / "again", size, lines.append)
    for name, tensor in read_weights(folder).items():
        assert bool((tensor == read_weights(again)[name]).all()), name


def test_a_proposal_waits_until_it_is_accepted(case: str) -> None:
    assert store_proposal(case, "demonstration_mr", phase="PVP", progress=lambda *_: None) >= 2
    waiting = show_case(case)
    assert waiting.masks == ()
    labels = [p.label for p in waiting.proposals]
    assert set(labels) == {"tumour", "liver"}
    made = accept_proposals(case)
    accepted = show_case(case)
    assert accepted.proposals == ()
    assert [m.label for m in made.stored] == labels
    assert made.already_marked == 0
    assert {m.source for m in accepted.masks} == {"proposed by demonstration_mr 1.0.0, accepted"}
    with pytest.raises(InputError, match="no proposal"):
        accept_proposals(case)


def test_accepting_never_replaces_a_readers_lesion(case: str, mr_case: RenderedCase) -> None:
    kept = store_mask(case, mr_case.tumour, label="tumour", lesion=1, phase="PVP", source="drawn", author="A")
    store_proposal(case, "demonstration_mr", phase="PVP", progress=lambda *_: None)
    proposed = sum(p.label == "tumour" for p in show_case(case).proposals)
    made = accept_proposals(case)
    tumours = {m.lesion: m for m in show_case(case).tumours}
    assert tumours[1].revision == kept.revision
    assert made.already_marked == 1  # the one the reader had drawn
    assert len(tumours) == proposed


def test_discarding_leaves_nothing(case: str) -> None:
    store_proposal(case, "demonstration_mr", phase="PVP", progress=lambda *_: None)
    discard_proposals(case)
    assert show_case(case).proposals == ()
    assert show_case(case).masks == ()


def test_a_segmenter_runs_as_a_job(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.services.jobs._launch", lambda number: None)
    job = start_segmentation(case, "demonstration_mr", "PVP")
    assert start_segmentation(case, "demonstration_mr", "PVP").id == job.id
    assert newest_job(case) is None  # the analysis panel sees its own jobs only
    run_job(job.id)
    done = newest_job(case, SEGMENTATION)
    assert done is not None
    assert done.state == "done"
    assert "proposed" in done.message
    assert show_case(case).proposals


def test_the_wrong_segmenter_fails_with_a_sentence(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.services.jobs._launch", lambda number: None)
    run_job(start_segmentation(case, "demonstration_ct", "PVP").id)
    failed = newest_job(case, SEGMENTATION)
    assert failed is not None
    assert (failed.state, failed.message) == ("failed", "demonstration_ct reads CT; this case is MR.")


def test_by_command_masks_are_stored_at_once_the_tumour_first(case: str) -> None:
    made = segment_by_model(case, "demonstration_mr", phase="PVP")
    assert made[0].label == "tumour"
    assert made[-1].label == "liver"
    assert len(show_case(case).masks) == len(made)
    with pytest.raises(InputError, match="no segmenter 'x'"):
        segment_by_model(case, "x")


def test_a_model_zoo_bundle_is_registered_with_safe_weights_and_removed(home: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "zoo")
    row = register_segmenter(bundle)
    assert (row.name, row.modality, row.labels, row.shipped) == ("zoo_style", "CT", ("liver", "tumour"), False)
    kept = home / "segmenters" / "zoo_style"
    assert sorted(p.name for p in (kept / "models").iterdir()) == ["model.safetensors"]
    assert "zoo_style" in {s.name for s in list_segmenters("CT")}
    assert "zoo_style" not in {s.name for s in list_segmenters("MR")}
    with pytest.raises(InputError, match="already"):
        register_segmenter(bundle)
    remove_segmenter("zoo_style")
    assert not kept.exists()
    with pytest.raises(InputError, match="no registered segmenter"):
        remove_segmenter("demonstration_ct")


def test_a_bundle_that_cannot_run_leaves_nothing_behind(home: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "zoo")
    (bundle / "models" / "model.pt").unlink()
    with pytest.raises(InputError, match=r"no models/model\.pt"):
        register_segmenter(bundle)
    with pytest.raises(InputError, match="no folder"):
        register_segmenter(tmp_path / "nowhere")
    assert not list((home / "segmenters").glob("*")) if (home / "segmenters").exists() else True
