"""Where a case's deep model looked: the class activation map of its network, made once and kept by content."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from core.config import settings
from core.domain.errors import InputError, OutOfScopeError
from core.domain.volume import Volume
from core.features.deep import CT_WINDOW, MR_WINDOW
from core.features.networks import architecture
from core.imaging.nifti import nifti_bytes, read_nifti_bytes
from core.services.analyse import CaseInputs, bundle_weights, case_region, open_marks, read_inputs
from core.services.cohort_features import WeightsFile
from core.services.store import file_store, find_case, open_session
from core.storage.models import ModelVersion
from model_registry.bundle import Bundle
from model_registry.recipe import FeatureBlock
from model_registry.registry import bundle_folder


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attention:
    """A map from 0 to 1 on the grid of `image`, with the region the network was given."""

    model: str
    modality: str
    network: str
    layer: str
    phase: str
    region: str
    image: Volume
    mask: Volume
    map: Volume

    @property
    def inside(self) -> float:
        """Share of the map's mass that lies in the region."""
        return float(self.map.array_zyx[self.mask.array_zyx > 0].sum() / self.map.array_zyx.sum())


def attention(code: str, model: str) -> Attention:
    """The activation map of a model's first deep block whose phase the case has.

    Raises
    ------
    InputError
        When the model has no deep block for this case's phases or no tumour is marked. OutOfScopeError when it reads
        the other modality, UnavailableError when the map says nothing (flat, or all at the border).
    """
    inputs = read_inputs(code, [model])
    if not inputs.tumours:
        raise InputError("No tumour is marked on this case. Mark it or import its mask.")
    _, name, version = inputs.models[0]
    bundle = Bundle(bundle_folder(name, version))
    if bundle.recipe.modality is not inputs.modality:
        raise OutOfScopeError(f"{bundle.recipe.title} reads {bundle.recipe.modality}; this case is {inputs.modality}.")
    weights = bundle_weights(bundle)
    block = next((b for b in bundle.recipe.features if b.family in weights and b.phase in inputs.phases), None)
    if block is None:
        raise InputError(f"{bundle.recipe.title} has no network for the phases of this case.")
    return _attention(bundle, block, weights[block.family], inputs)


def explained_models(code: str) -> dict[str, str]:
    """Active models with a network for a phase of this case: title by name."""
    with open_session() as session:
        row = find_case(session, code)
        modality, phases = row.modality, {p.phase for p in row.phases}
        active = session.execute(select(ModelVersion.name, ModelVersion.version).where(ModelVersion.state == "active"))
        versions = [(name, version) for name, version in active]
    seen = {name: _networks(bundle_folder(name, version)) for name, version in sorted(versions)}
    return {name: n.title for name, n in seen.items() if n.modality == modality and n.phases & phases}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Networks:
    """What a bundle's networks look at."""

    title: str
    modality: str
    phases: frozenset[str]


@lru_cache(maxsize=64)
def _networks(folder: Path) -> _Networks:
    """A registered bundle does not change, so its manifest is read once."""
    bundle = Bundle(folder)
    weighted = set(bundle.manifest["weights"])
    phases = frozenset(b.phase.value for b in bundle.recipe.features if b.family in weighted and b.phase is not None)
    return _Networks(title=bundle.recipe.title, modality=str(bundle.recipe.modality or ""), phases=phases)


def write_attention(code: str, model: str, out: Path) -> dict[str, Any]:
    """Write the map as NIfTI; returns what the command line prints."""
    found = attention(code, model)
    out.write_bytes(nifti_bytes(found.map))
    peak = np.unravel_index(int(found.map.array_zyx.argmax()), found.map.array_zyx.shape)[::-1]
    return {
        "out": str(out),
        "model": found.model,
        "network": found.network,
        "layer": found.layer,
        "phase": found.phase,
        "region": found.region,
        "share_inside_region": round(found.inside, 3),
        "peak_mm_lps": [round(float(v), 1) for v in found.map.geometry.to_mm_lps(np.asarray(peak))],
    }


def _attention(bundle: Bundle, block: FeatureBlock, held: WeightsFile, inputs: CaseInputs) -> Attention:
    phase, region = block.place
    image = file_store().volume(inputs.phases[phase])
    mask = case_region(region, image, open_marks(inputs), inputs.modality)
    if isinstance(mask, InputError):
        raise mask
    of = architecture(held.architecture, held.revision)
    key = [image.content_hash(), mask.content_hash(), held.weights.sha256, held.revision, of.target_layer]
    path = settings().maps / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()}.nii.gz"
    found = read_nifti_bytes(path.read_bytes()) if path.exists() else None
    if found is None:
        found = _computed(held, image, mask, ct=inputs.modality.value == "CT")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(nifti_bytes(found))
        os.replace(part, path)
    return Attention(
        model=bundle.name,
        modality=inputs.modality.value,
        network=of.name,
        layer=of.target_layer,
        phase=phase.value,
        region=region.name,
        image=image,
        mask=mask,
        map=Volume(array_zyx=found.array_zyx, geometry=image.geometry),
    )


def _computed(held: WeightsFile, image: Volume, mask: Volume, *, ct: bool) -> Volume:
    from core.explain.activation_maps import activation_map, with_classifier

    of = architecture(held.architecture, held.revision)
    if of.inputs is None:
        raise InputError(f"{of.name} looks at several regions at once; its map is not drawn for one.")
    network = with_classifier(of, held.weights, held.width)
    seen = of.inputs(image, mask, CT_WINDOW if ct else MR_WINDOW)
    return activation_map(of, network, seen, image.geometry)
