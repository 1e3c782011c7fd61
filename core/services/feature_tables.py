"""A centre's feature table made ready for a recipe: columns read and matched to the recipe's blocks, readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.features.presets import image_names
from core.features.table import delta_prefix
from core.modelling.columns import Column, binary_outcome, read_columns
from core.modelling.engine import MEASURES
from core.services.derived import AFP_HIGH_NG_ML, derived_values
from core.services.tables import Table, read_table
from model_registry.recipe import FeatureBlock, Recipe

if TYPE_CHECKING:
    import pandas as pd

ALL_FEATURES = "all_features"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readings:
    """The same cases segmented by several readings: (readings, cases, columns); the first is the reference."""

    values: NDArray[np.float64]
    cases: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingData:
    """What a recipe is trained on.

    `table` is indexed by case and holds the outcome under the recipe's own name as 0 and 1; `columns` says what became
    of each column of the original; `clinical` maps a variable to its column; `notes` are sentences for the report.
    """

    table: pd.DataFrame
    columns: tuple[Column, ...]
    clinical: dict[str, str]
    notes: tuple[str, ...]
    follow_up: tuple[tuple[str, str], ...] = ()
    readings: Readings | None = None
    from_images: bool = False
    left_out: int = 0
    site: str | None = None
    patients: pd.Series | None = None
    harmonised: bool = False

    @property
    def features(self) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if c.role == "feature")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExternalTable:
    """Another cohort with the training table's column names; without outcome it serves survival only."""

    name: str
    table: pd.DataFrame
    outcome: pd.Series | None
    notes: tuple[str, ...] = field(default=())


def training_table(
    recipe: Recipe, path: Path, *, outcome: str | None, follow_up: Sequence[tuple[str, str]] = ()
) -> TrainingData:
    """Read a feature table for a recipe.

    Rows without the outcome are left out, and the notes say how many.

    Raises
    ------
    InputError
        When the outcome is absent or not two-valued, or the table holds nothing the recipe can use.
    """
    read = read_table(path)
    name = _outcome_name(recipe, read, outcome)
    pairs = (*follow_up, *_endpoint_columns(recipe, read.frame))
    return from_frame(recipe, read, name, tuple(dict.fromkeys(pairs)))


def from_frame(recipe: Recipe, read: Table, outcome: str, follow_up: tuple[tuple[str, str], ...]) -> TrainingData:
    """As `training_table`, for a table that is open already."""
    absent = [c for pair in follow_up for c in pair if c not in read.frame]
    if absent:
        raise InputError(f"{read.name} has no column '{absent[0]}'.")
    columns = read_columns(read.frame, outcome=outcome, also=[c for pair in follow_up for c in pair])
    try:
        y, positive = binary_outcome(columns.table[outcome], outcome)
    except ValueError as error:
        raise InputError(f"{read.name}: {error}.") from error
    known = y.notna()
    table = columns.table.loc[known].assign(**{recipe.outcome.column: y[known].astype(int)})
    table, clinical = _with_derived(table, columns.clinical)
    notes = [*read.notes, f"{outcome} = {positive} is the event."]
    if not known.all():
        notes.append(f"{int((~known).sum())} row(s) without {outcome} were left out.")
    patients = columns.patients[known] if columns.patients is not None else None
    if patients is not None:
        notes.append(
            f"{len(patients)} rows are of {patients.nunique()} patients: a patient's rows stay together in every fold."
        )
    return TrainingData(
        table=table,
        columns=columns.columns,
        clinical=clinical,
        notes=tuple(notes),
        follow_up=follow_up,
        left_out=int((~known).sum()),
        site=columns.site,
        patients=patients,
    )


def image_table(
    recipe: Recipe, table: pd.DataFrame, *, outcome: str | None, follow_up: Sequence[tuple[str, str]] = (), given: int
) -> TrainingData:
    """A table made from images, whose columns have this project's names; `given` cases were asked for.

    Raises
    ------
    InputError
        When the outcome is absent or not two-valued.
    """
    read = Table(frame=table.rename_axis("case").reset_index(), name="the cohort", notes=())
    name = _outcome_name(recipe, read, outcome)
    pairs = tuple(dict.fromkeys((*follow_up, *_endpoint_columns(recipe, table))))
    data = from_frame(recipe, read, name, pairs)
    measures = [c for c in MEASURES if c in table and c not in data.table]
    held = data.table.assign(**{c: table.loc[data.table.index, c] for c in measures})
    return replace(data, table=held, from_images=True, left_out=given - len(held))


def evaluation_table(recipe: Recipe, path: Path, *, outcome: str | None) -> ExternalTable:
    """A table for a bundle that is there already: columns by name, clinical variables under their codes.

    Raises
    ------
    InputError
        When the outcome is not in the table.
    """
    read = read_table(path)
    name = _outcome_name(recipe, read, outcome)
    columns = read_columns(read.frame, outcome=name)
    table = read.frame.apply(as_number).set_axis(columns.table.index)
    clinical = {c.code: c.name for c in columns.columns if c.code}
    table, clinical = _with_derived(table, clinical)
    table = table.assign(**{code: table[column] for code, column in clinical.items() if code != column})
    if {"bilirubin_umol_l", "albumin_g_l"} <= set(table):
        table = table.assign(albi=[_albi(row) for _, row in table.iterrows()])
    try:
        y, positive = binary_outcome(read.frame[name], name)
    except ValueError as error:
        raise InputError(f"{path.name}: {error}.") from error
    notes = (*read.notes, f"{name} = {positive} is the event.")
    return ExternalTable(name=path.name, table=table, outcome=y.set_axis(table.index), notes=notes)


def _albi(row: pd.Series) -> float:
    values = {c: float(row[c]) for c in ("bilirubin_umol_l", "albumin_g_l") if row[c] == row[c]}
    return derived_values(values).get("albi", float("nan"))


def external_table(recipe: Recipe, path: Path, data: TrainingData, *, outcome: str | None) -> ExternalTable:
    """Another cohort: columns are found by name, ignoring case and blanks.

    Raises
    ------
    InputError
        When the file has neither the outcome nor follow-up columns.
    """
    read = read_table(path)
    wanted = {_key(c): c for c in (*data.table.columns, *(c for pair in data.follow_up for c in pair))}
    frame = read.frame.rename(columns={c: wanted[_key(c)] for c in read.frame.columns if _key(c) in wanted})
    frame = frame.loc[:, ~frame.columns.duplicated()]
    name = next((c for c in (outcome, recipe.outcome.column) if c and c in frame), None)
    also = [c for pair in (*data.follow_up, *_endpoint_columns(recipe, frame)) for c in pair if c in frame]
    if name is None and not also:
        raise InputError(
            f"{path.name} has neither the outcome '{outcome or recipe.outcome.column}' nor follow-up times."
        )
    columns = read_columns(frame, outcome=name, also=also)
    table = frame.apply(as_number).set_axis(columns.table.index)
    table, _ = _with_derived(table, {code: column for code, column in data.clinical.items() if column in table})
    notes = list(read.notes)
    y = None
    if name is not None:
        try:
            y, positive = binary_outcome(frame[name], name)
        except ValueError as error:
            raise InputError(f"{path.name}: {error}.") from error
        y = y.set_axis(table.index)
        notes.append(f"{name} = {positive} is the event.")
    return ExternalTable(name=path.name, table=table, outcome=y, notes=tuple(notes))


def harmonised(data: TrainingData) -> TrainingData:
    """The same data, to be harmonised between its sites (ComBat) inside each fold.

    Raises
    ------
    InputError
        When the table names no site, or one only.
    """
    if data.site is None or data.table[data.site].nunique() < 2:
        raise InputError("Harmonising needs a column called site, center or hospital with at least two sites.")
    sites = data.table[data.site].value_counts()
    listed = ", ".join(f"{name} {n}" for name, n in sites.items())
    note = (
        f"Features were harmonised between the sites by ComBat inside each fold ({listed}). A new patient's features "
        "are not: the model reads them as they are."
    )
    return replace(data, harmonised=True, notes=(*data.notes, note))


def as_number(values: pd.Series) -> pd.Series:
    """A column as floats; what is no number becomes a gap."""
    import pandas as pd

    made: pd.Series = pd.to_numeric(values, errors="coerce") if not pd.api.types.is_numeric_dtype(values) else values
    return made.astype(float)


def _key(name: str) -> str:
    return "".join(str(name).lower().split())


def _outcome_name(recipe: Recipe, read: Table, outcome: str | None) -> str:
    for name in (outcome,) if outcome else (recipe.outcome.column,):
        if name in read.frame:
            return str(name)
        near = [c for c in read.frame.columns if _key(c) == _key(str(name))]
        if len(near) == 1:
            return str(near[0])
    wanted = outcome or recipe.outcome.column
    raise InputError(f"{read.name} has no column '{wanted}'. Name the outcome's column with --outcome.")


def _endpoint_columns(recipe: Recipe, frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Time and event columns of the recipe's endpoints that a table has."""
    pairs = [(e.time_column, e.event_column) for e in recipe.survival]
    return [(t, d) for t, d in pairs if t in frame and d in frame]


def _with_derived(table: pd.DataFrame, clinical: dict[str, str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Adds AFP from 400 on where AFP is a number; an AFP column of 0 and 1 is taken to be that already."""
    found = dict(clinical)
    afp = found.get("afp_ng_ml")
    if afp is not None and "afp_400" not in found:
        values = table[afp]
        if set(values.dropna().unique()) <= {0.0, 1.0}:
            found["afp_400"] = found.pop("afp_ng_ml")
        else:
            table = table.assign(afp_400=(values >= AFP_HIGH_NG_ML).astype(float).where(values.notna()))
            found["afp_400"] = "afp_400"
    return table, found


def matching_columns(recipe: Recipe, block_ids: Sequence[str], data: TrainingData) -> tuple[tuple[str, ...], str]:
    """The table's columns for a signature's blocks, or why there are none for one of them."""
    named = [c.name for c in data.features]
    wanted = [b for b in recipe.features if b.id in block_ids]
    phased = any(c.phase for c in data.features)
    columns: list[str] = []
    gaps: list[FeatureBlock] = []
    for block in wanted:
        own = exact_prefixes(block)
        mine = [n for n in named if own and n.startswith(own)]
        if not mine and not data.from_images:
            mine = [c.name for c in data.features if _belongs(c, block, recipe, data.features)]
        columns += mine
        if not mine:
            gaps.append(block)
    for delta in (d for d in recipe.deltas if d.id in block_ids):
        later, earlier = recipe.delta_prefixes(delta)
        columns += [n for n in named if n.startswith(delta_prefix(later=later, earlier=earlier))]
    # A table that names no phase cannot lack one.
    missing = [b for b in gaps if phased or not any(_same_kind(b, o) for o in wanted if o not in gaps)]
    if missing:
        return (), f"the table has no columns for {_described(missing[0])}"
    if not columns:
        return (), "the table has no columns for it"
    return without_twins(columns, data), ""


def without_twins(columns: Sequence[str], data: TrainingData) -> tuple[str, ...]:
    """Columns of a signature, each set of values once."""
    twins = {c.name: c.twin or c.name for c in data.features}
    first: dict[str, str] = {}
    for name in columns:
        first.setdefault(twins[name], name)
    return tuple(first.values())


def exact_prefixes(block: FeatureBlock) -> tuple[str, ...]:
    """How this project's own names of a block's features begin."""
    if block.from_table:
        return (f"{block.family}_",)
    if block.family == "radiomics":
        return tuple(f"{block.prefix}{image}_" for image in image_names(block.preset or ""))
    return (f"{block.prefix}{block.family}_",)


def _same_kind(a: FeatureBlock, b: FeatureBlock) -> bool:
    return a.family == b.family and (a.region and a.region.kind) == (b.region and b.region.kind)


def _described(block: FeatureBlock) -> str:
    if block.from_table:
        return f"{block.family} features"
    phase, region = block.place
    kind = "radiomics" if block.family == "radiomics" else "deep"
    return f"{kind} features of the {phase.value} {region.name} region"


def _belongs(column: Column, block: FeatureBlock, recipe: Recipe, features: Sequence[Column]) -> bool:
    """Whether a column with somebody else's name is of a block: family, region and phase must agree.

    A table that never names a phase is taken to be of the recipe's first phase, one that never names a region to be
    of the tumour; both are said in the report.
    """
    if not _family_fits(column, block):
        return False
    if block.from_table:
        return True
    phase, region = block.place
    main = next(b.place[0] for b in recipe.features if not b.from_table)
    phase_fits = column.phase == phase.value or (
        phase is main and not column.phase and not any(c.phase for c in features)
    )
    return phase_fits and _region_fits(column.region, region.kind.value, region.name, features)


def _family_fits(column: Column, block: FeatureBlock) -> bool:
    if block.family == "radiomics":
        return column.family in ("radiomics", "unknown")
    if block.family.startswith("pathology_"):
        network = block.family.removeprefix("pathology_").split("_")[0]
        return column.family == "pathology" and (network in column.name.lower() or not _names_network(column.name))
    if column.family != "deep":
        return False
    return block.family.split("_")[0] in column.name.lower() or not _names_network(column.name)


def _names_network(name: str) -> bool:
    return any(n in name.lower() for n in ("resnet34", "resnet18", "resnet50", "densenet121", "vit", "swin"))


def _region_fits(found: str, kind: str, name: str, features: Sequence[Column]) -> bool:
    if found == name or (found == kind and kind != "intratumoral"):
        return True
    if kind == "intratumoral":
        return found == "intratumoral" or (not found and not any(c.region == "intratumoral" for c in features))
    # Another width of shell than the recipe's is taken where the table has one width only.
    widths = {c.region for c in features if c.region.startswith(kind)}
    return found.startswith(kind) and len(widths) == 1
