"""A recipe: what a paper's model is made of, as data. One YAML file a system."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.domain.errors import InputError
from core.domain.phase import Modality, Phase
from core.regions.derived import RegionKind

RECIPES = Path(__file__).parent / "recipes"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Paper(_Strict):
    citation: str
    doi: str


class Outcome(_Strict):
    """The binary outcome: its column (1 the event, 0 not) and how a reader calls it."""

    column: str
    label: str


class Region(_Strict):
    """A region made from what is marked; a shell's width in mm, or the margin a background liver keeps."""

    kind: RegionKind
    width_mm: float | None = Field(default=None, gt=0, le=50)

    @model_validator(mode="after")
    def _width_where_needed(self) -> "Region":
        if self.width_mm is None and self.kind.needs_width:
            raise ValueError(f"a {self.kind.value} region needs width_mm")
        if self.width_mm is not None and not self.kind.takes_width:
            raise ValueError(f"a {self.kind.value} region has no width_mm")
        return self

    @property
    def name(self) -> str:
        """The region in a feature's name, such as `peritumoral10mm`."""
        return self.kind.value if self.width_mm is None else f"{self.kind.value}{self.width_mm:g}mm"


class FeatureBlock(_Strict):
    """One family of features of one region in one phase.

    A block without phase and region is one whose features come from several images at once (the dual-branch network)
    or from pathology: they are read from a feature table, this version does not make them from images.
    """

    id: str
    phase: Phase | None = None
    region: Region | None = None
    family: Literal[
        "radiomics",
        "resnet34_2_5d",
        "resnet18_3d",
        "resnet50_2d",
        "densenet121_2d",
        "vit_b16_2d",
        "swin_t_2d",
        "resnet18_dual",
        "pathology_resnet50_2d",
        "pathology_densenet121_2d",
        "pathology_vit_b16_2d",
        "pathology_swin_t_2d",
    ]
    preset: str | None = None
    weights: str | None = None

    @model_validator(mode="after")
    def _phase_and_region_together(self) -> "FeatureBlock":
        from_table = self.family == "resnet18_dual" or self.family.startswith("pathology_")
        if (self.phase is None) != from_table or (self.region is None) != from_table:
            raise ValueError(f"block {self.id}: {self.family} {'has no' if from_table else 'needs a'} phase and region")
        return self

    @property
    def from_table(self) -> bool:
        """Whether its features can only be read from a table."""
        return self.phase is None

    @property
    def place(self) -> tuple[Phase, Region]:
        """Phase and region of a block that is made from images."""
        if self.phase is None or self.region is None:
            raise ValueError(f"block {self.id} is not made from images")
        return self.phase, self.region

    @property
    def prefix(self) -> str:
        if self.from_table:
            return ""
        phase, region = self.place
        return f"{phase.value}_{region.name}_"


class DeltaBlock(_Strict):
    """The change of every feature between two blocks of one family: `later` minus `earlier`, by block ids."""

    id: str
    later: str
    earlier: str


# What each screening step can be told, with the value taken when nothing is said.
STEP_SETTINGS: dict[str, dict[str, float | int | str]] = {
    "outliers": {"limit": 3.0},
    "zscore": {},
    "variance": {"limit": 0.0},
    "correlation": {"limit": 0.9},
    "univariable": {"limit": 0.05},
    "mrmr": {"features": 20, "scheme": "MID"},
    "lasso": {"rule": "min"},
    "backward": {},
    "rfe": {"features": 20, "share": 0.2},
}


class ScreeningStep(_Strict):
    """One screening step with its settings; see `STEP_SETTINGS`."""

    step: Literal["outliers", "zscore", "variance", "correlation", "univariable", "mrmr", "lasso", "backward", "rfe"]
    limit: float | None = None
    features: int | None = Field(default=None, gt=0)
    scheme: Literal["MID", "MIQ"] | None = None
    rule: Literal["min", "1se"] | None = None
    share: float | None = Field(default=None, gt=0, lt=1)

    @model_validator(mode="after")
    def _only_its_own_settings(self) -> "ScreeningStep":
        given = {k for k in ("limit", "features", "scheme", "rule", "share") if getattr(self, k) is not None}
        foreign = given - set(STEP_SETTINGS[self.step])
        if foreign:
            raise ValueError(f"screening step {self.step} has no setting {sorted(foreign)[0]}")
        return self

    def setting(self, name: str) -> Any:
        value = getattr(self, name)
        return STEP_SETTINGS[self.step][name] if value is None else value


class Signature(_Strict):
    """Features of some blocks turned into one number, by the best of `estimators` in inner cross-validation.

    With `up_to`, the number of features is chosen too: 1 to `up_to` of those the last screening step ranks.
    """

    id: str
    label: str
    blocks: list[str]
    screening: list[ScreeningStep]
    up_to: int | None = Field(default=None, gt=0)
    estimators: list[
        Literal[
            "lasso_logistic",
            "lasso_logistic_1se",
            "logistic",
            "svm_linear",
            "svm_rbf",
            "random_forest",
            "extra_trees",
            "gradient_boosting",
            "k_nearest_neighbours",
            "naive_bayes",
        ]
    ] = Field(min_length=1)


class ClinicalPredictor(_Strict):
    """A clinical variable of the nomogram. `log10` enters log10(value + 1)."""

    code: str
    label: str
    unit: str
    transform: Literal["identity", "log10"]


class Variant(_Strict):
    """A model: signatures and clinical variables in one regression.

    Among a recipe's `variants` it is a submodel for one pattern of available inputs, and the first whose inputs are
    all there is used; among its `comparators` it is a model of the paper that is only reported beside them.
    """

    id: str
    label: str
    signatures: list[str]
    clinical: list[str]


class CrossValidation(_Strict):
    """Folds that judge (outer) and folds that choose and cross-fit a signature inside them."""

    outer_folds: int = Field(ge=2)
    signature_folds: int = Field(ge=2)


class SurvivalEndpoint(_Strict):
    id: str
    label: str
    time_column: str
    event_column: str


class Reproducibility(_Strict):
    """Features kept when readings of the same cases are given: ICC(2,1) above this between the first and the others."""

    icc_above: float = Field(ge=0, lt=1)


class Origin(_Strict):
    """Whether the paper states a setting or we chose it, and why."""

    origin: Literal["stated", "chosen"]
    note: str


class Eligibility(_Strict):
    population: str
    smallest_diameter_mm: float = Field(gt=0)


class Recipe(_Strict):
    """The whole recipe; every part of `SETTINGS_WITH_ORIGIN` has its origin declared.

    A recipe without modality needs no image: its variants take clinical variables alone. With `horizons_months` it is
    a Cox model of the outcome's first survival endpoint, and a probability is that of the event by the first horizon.
    """

    name: str
    title: str
    summary: str
    paper: Paper
    time_point: str
    modality: Modality | None
    outcome: Outcome
    eligibility: Eligibility
    features: list[FeatureBlock] = []
    deltas: list[DeltaBlock] = []
    signatures: list[Signature] = []
    clinical: list[ClinicalPredictor]
    variants: list[Variant] = Field(min_length=1)
    comparators: list[Variant] = []
    clinical_model: str | None = None
    horizons_months: list[float] = []
    cross_validation: CrossValidation
    cutoff: Literal["youden"]
    survival: list[SurvivalEndpoint]
    reproducibility_filter: Reproducibility | None = None
    origins: dict[str, Origin]

    @model_validator(mode="after")
    def _references_resolve(self) -> "Recipe":
        plain = {b.id: b for b in self.features}
        for delta in self.deltas:
            _require({delta.later, delta.earlier} <= set(plain), f"delta {delta.id} names an unknown feature block")
            same = plain[delta.later].family == plain[delta.earlier].family
            _require(same, f"delta {delta.id} takes two families of features")
            both = not (plain[delta.later].from_table or plain[delta.earlier].from_table)
            _require(both, f"delta {delta.id} names a block that is not made from images")
        blocks = {*plain, *(d.id for d in self.deltas)}
        signatures = {s.id for s in self.signatures}
        clinical = {c.code for c in self.clinical}
        for signature in self.signatures:
            _require(set(signature.blocks) <= blocks, f"signature {signature.id} names an unknown feature block")
        for variant in self.models:
            _require(set(variant.signatures) <= signatures, f"variant {variant.id} names an unknown signature")
            _require(set(variant.clinical) <= clinical, f"variant {variant.id} names an unknown clinical variable")
            _require(bool(variant.signatures or variant.clinical), f"variant {variant.id} has no predictor")
        ids = [v.id for v in self.models]
        _require(len(ids) == len(set(ids)), "two models have the same id")
        known = self.clinical_model is None or self.clinical_model in ids
        _require(known, f"clinical_model names an unknown model {self.clinical_model}")
        _require(self.modality is not None or not self.features, "a recipe with features needs a modality")
        missing = set(SETTINGS_WITH_ORIGIN) - set(self.origins)
        _require(not missing, f"no origin is given for {sorted(missing)}")
        return self

    @property
    def models(self) -> list[Variant]:
        """All models: the variants, the first of which is the recipe's own, then the comparators."""
        return [*self.variants, *self.comparators]

    def blocks_of(self, variant: Variant) -> list[FeatureBlock]:
        """The feature blocks that a variant needs, in the recipe's order."""
        wanted = {b for s in self.signatures if s.id in variant.signatures for b in s.blocks}
        wanted |= {b for d in self.deltas if d.id in wanted for b in (d.later, d.earlier)}
        return [b for b in self.features if b.id in wanted]

    def delta_prefixes(self, delta: DeltaBlock) -> tuple[str, str]:
        """How the names of the later and the earlier block's features begin."""
        prefix = {b.id: b.prefix for b in self.features}
        return prefix[delta.later], prefix[delta.earlier]

    def phases_of(self, variant: Variant) -> tuple[Phase, ...]:
        return tuple(dict.fromkeys(b.phase for b in self.blocks_of(variant) if b.phase is not None))

    def from_images(self, variant: Variant) -> bool:
        """Whether this version can make all its features from a case's images."""
        return not any(b.from_table for b in self.blocks_of(variant))

    def required_phases(self) -> tuple[Phase, ...]:
        """Phases that every variant needs."""
        sets = [set(self.phases_of(v)) for v in self.variants if self.from_images(v)]
        return tuple(p for p in Phase if sets and all(p in s for s in sets))


SETTINGS_WITH_ORIGIN = (
    "outcome",
    "modality",
    "features",
    "signatures",
    "clinical",
    "variants",
    "cross_validation",
    "cutoff",
    "survival",
    "reproducibility_filter",
)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def load_recipe(name_or_path: str) -> Recipe:
    """A recipe by its name in model_registry/recipes, or from a YAML file.

    Raises
    ------
    InputError
        When there is no such recipe or the file is not a valid one.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = RECIPES / f"{name_or_path}.yaml"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in RECIPES.glob("*.yaml")))
        raise InputError(f"There is no recipe '{name_or_path}'. Known: {known}; or give a YAML file.")
    return parse_recipe(path.read_text(), str(path.name))


def parse_recipe(text: str, source: str) -> Recipe:
    """A recipe from YAML text; `source` names it in errors."""
    try:
        return Recipe.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the recipe"
        raise InputError(f"{source}: {where}: {first['msg']}.") from error
    except yaml.YAMLError as error:
        raise InputError(f"{source} is not YAML: {str(error).splitlines()[0]}.") from error


def recipe_sha256(recipe: Recipe) -> str:
    return hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()


def shipped_recipes() -> Iterator[Recipe]:
    """All recipes of model_registry/recipes, by name."""
    for path in sorted(RECIPES.glob("*.yaml")):
        yield load_recipe(path.stem)
