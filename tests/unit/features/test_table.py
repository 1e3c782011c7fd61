"""Feature tables of a case: names, failures kept apart, changes between phases."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from core.domain.errors import InputError
from core.domain.phase import Phase
from core.domain.volume import Geometry, Volume
from core.features.extractor import Extraction, Pair, one_by_one
from core.features.table import WantedBlock, delta_features, extract_blocks

GEOMETRY = Geometry(size_xyz=(3, 3, 3), spacing_mm_xyz=(1, 1, 1))


class Mean:
    name = "mean"

    @property
    def settings(self) -> dict[str, Any]:
        return {}

    @property
    def provenance(self) -> dict[str, Any]:
        return {}

    def feature_names(self) -> tuple[str, ...]:
        return ("original_firstorder_Mean",)

    def extract_regions(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Extraction | InputError]]:
        return one_by_one(self._mean, pairs)

    def _mean(self, image: Volume, mask: Volume) -> Extraction:
        if not mask.array_zyx.any():
            raise InputError("The region is empty.")
        return Extraction(values={"original_firstorder_Mean": float(image.array_zyx[mask.array_zyx > 0].mean())})


def volume(value: float) -> Volume:
    return Volume(array_zyx=np.full((3, 3, 3), value), geometry=GEOMETRY)


def test_a_failed_region_is_named_and_the_others_are_computed() -> None:
    blocks = [WantedBlock(phase=p, region="intratumoral", extractor=Mean()) for p in (Phase.AP, Phase.PVP, Phase.DP)]
    images = {Phase.AP: volume(1), Phase.PVP: volume(2)}
    regions: dict[tuple[Phase, str], Volume | InputError] = {
        (Phase.AP, "intratumoral"): volume(0),
        (Phase.PVP, "intratumoral"): volume(1),
    }
    seen: list[float] = []
    found = extract_blocks(blocks, images, regions, None, lambda share, _: seen.append(share))
    assert found.values == {"PVP_intratumoral_original_firstorder_Mean": 2.0}
    assert found.failures["AP_intratumoral_mean"] == "AP intratumoral: The region is empty."
    assert "delayed phase" in found.failures["DP_intratumoral_mean"]
    assert seen == sorted(seen)


def test_a_region_that_could_not_be_made_keeps_its_reason() -> None:
    block = WantedBlock(phase=Phase.AP, region="liver", extractor=Mean())
    found = extract_blocks([block], {Phase.AP: volume(1)}, {(Phase.AP, "liver"): InputError("No liver.")}, None)
    assert found.failures == {"AP_liver_mean": "AP liver: No liver."}


def test_changes_between_phases_leave_out_shape_and_lonely_features() -> None:
    values = {
        "AP_intratumoral_original_firstorder_Mean": 90.0,
        "PVP_intratumoral_original_firstorder_Mean": 60.0,
        "AP_intratumoral_original_shape_Flatness": 0.5,
        "PVP_intratumoral_original_shape_Flatness": 0.5,
        "PVP_intratumoral_original_glcm_Id": 0.1,
    }
    assert delta_features(values, later="PVP_intratumoral_", earlier="AP_intratumoral_") == {
        "delta_PVP_intratumoral_minus_AP_intratumoral_original_firstorder_Mean": -30.0
    }
