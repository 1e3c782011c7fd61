"""Fine-tuning: resumable to the bit, stopped early by patients set aside, refused where it cannot learn."""

from pathlib import Path

import numpy as np
import pytest

from core.domain.errors import InputError
from core.features.finetune import Examples, Tuning, fine_tune, validation_patients
from core.features.networks import architecture

NETWORK = architecture("resnet34_2_5d")


def examples(patients: int = 8) -> Examples:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(patients) % 2, 2)
    inputs = rng.random((2 * patients, 3, 64, 64), dtype=np.float32) * 0.2
    inputs[labels == 1, :, 20:40, 20:40] += 0.7
    return Examples(inputs=inputs, labels=labels, patients=np.repeat([f"P{i}" for i in range(patients)], 2))


def run(out: Path, epochs: int, checkpoint: Path | None = None, **given: object) -> list[dict[str, float]]:
    tuning = Tuning(**{"epochs": epochs, "batch": 4, "learning_rate": 1e-3, **given})  # type: ignore[arg-type]
    return fine_tune(NETWORK, examples(), out, width=4, tuning=tuning, description="test", checkpoint=checkpoint)


def test_a_run_taken_up_from_its_checkpoint_ends_as_one_never_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.features import finetune

    straight = run(tmp_path / "straight.safetensors", 4)
    epoch = finetune._Run.epoch

    def broken_off(self: finetune._Run, number: int) -> dict[str, float]:
        if number == 3:
            raise KeyboardInterrupt
        return epoch(self, number)

    monkeypatch.setattr(finetune._Run, "epoch", broken_off)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "resumed.safetensors", 4, tmp_path / "run.checkpoint")
    monkeypatch.setattr(finetune._Run, "epoch", epoch)
    assert not (tmp_path / "resumed.safetensors").exists()
    resumed = run(tmp_path / "resumed.safetensors", 4, tmp_path / "run.checkpoint")
    assert resumed == straight
    assert (tmp_path / "resumed.safetensors").read_bytes() == (tmp_path / "straight.safetensors").read_bytes()


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(tmp_path / name, 1, seed=seed)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "w", 1, tmp_path / "run.checkpoint")
    with pytest.raises(InputError, match="another training run"):
        run(tmp_path / "w", 1, tmp_path / "run.checkpoint", seed=9)


def test_training_stops_when_the_validation_part_no_longer_gains(tmp_path: Path) -> None:
    losses = run(tmp_path / "w", 40, patience=2, learning_rate=0.3)
    best = int(np.argmin([h["validation"] for h in losses]))
    assert len(losses) == min(best + 1 + 2, 40)


def test_the_learning_rate_falls_in_steps(tmp_path: Path) -> None:
    rates = [h["learning_rate"] for h in run(tmp_path / "w", 4, decay_every=2, patience=9)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4])


def test_validation_takes_whole_patients_of_both_classes() -> None:
    held = examples(10)
    aside = validation_patients(held, 0.2, seed=3)
    assert len(aside) == 2
    labels = {p: label for p, label in zip(held.patients.tolist(), held.labels.tolist(), strict=True)}
    assert {labels[p] for p in aside} == {0, 1}
    assert validation_patients(held, 0, seed=3) == set()


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    held = examples()
    alone = Examples(inputs=held.inputs, labels=np.zeros_like(held.labels), patients=held.patients)
    with pytest.raises(InputError, match="same outcome"):
        fine_tune(NETWORK, alone, tmp_path / "w", width=4, tuning=Tuning(epochs=1), description="test")


def test_a_start_from_given_parameters_keeps_them_but_for_the_classifier(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    start = {k: v * 0 + 0.01 if v.is_floating_point() else v for k, v in NETWORK.build(2, 4).state_dict().items()}
    tuning = Tuning(epochs=1, batch=4, learning_rate=0.0)
    fine_tune(NETWORK, examples(), tmp_path / "w", width=4, tuning=tuning, description="test", start=start)
    kept = load_file(tmp_path / "w")
    np.testing.assert_allclose(kept["layer3.0.conv1.weight"], 0.01, rtol=1e-3)
    assert kept["fc.weight"].std() > 0.01
