"""What a bundle must pass before it can be registered."""

import hashlib
from importlib.metadata import version as installed_version

from core.domain.errors import HepaBoardError
from model_registry.bundle import Bundle, Check

REQUIRED_FILES = ("recipe.yaml", "report.json", "model_card.md", "LICENSE")
REFERENCE_FILES = ("reference_cohort.parquet", "reference_curves.json")
REQUIRED_CARD_WORDS = ("intended use", "not for diagnosis", "training cohort", "limitations")
IDENTIFIER_COLUMNS = ("patient", "name", "identifier", "mrn", "birth", "case")


def verify(bundle: Bundle) -> list[Check]:
    """All checks of a bundle; it may be registered when every one is ok."""
    checks = [_files_complete(bundle), _hashes(bundle)]
    if not all(c.ok for c in checks):
        return checks
    return [
        *checks,
        _recipe(bundle),
        _versions(bundle),
        _pipelines(bundle),
        _reference_cohort(bundle),
        _card(bundle),
    ]


def _files_complete(bundle: Bundle) -> Check:
    variants = [n for n in bundle.manifest.get("files", {}) if n.startswith("variants/")]
    missing = [n for n in REQUIRED_FILES if n not in bundle.manifest.get("files", {})]
    if not variants:
        missing.append("variants/")
    if not set(REFERENCE_FILES) & set(bundle.manifest.get("files", {})):
        missing.append(" or ".join(REFERENCE_FILES))
    return Check(name="files complete", ok=not missing, detail=f"missing {missing}" if missing else "all present")


def _hashes(bundle: Bundle) -> Check:
    named = {**bundle.manifest.get("files", {}), **bundle.manifest.get("documents", {})}
    found = {str(p.relative_to(bundle.root)) for p in bundle.root.rglob("*") if p.is_file()} - {"manifest.json"}
    wrong = [n for n, h in named.items() if n not in found or _sha256(bundle, n) != h]
    extra = sorted(found - set(named))
    if wrong or extra:
        return Check(name="SHA-256", ok=False, detail=f"changed or missing: {wrong}; not in the manifest: {extra}")
    return Check(name="SHA-256", ok=True, detail=f"{len(named)} files as in the manifest")


def _sha256(bundle: Bundle, name: str) -> str:
    return hashlib.sha256((bundle.root / name).read_bytes()).hexdigest()


def _recipe(bundle: Bundle) -> Check:
    try:
        recipe = bundle.recipe
    except HepaBoardError as error:
        return Check(name="recipe", ok=False, detail=str(error))
    return Check(name="recipe", ok=recipe.name == bundle.name, detail=f"recipe {recipe.name}")


def _versions(bundle: Bundle) -> Check:
    """scikit-learn's stored models are only promised to load in the version that wrote them."""
    wrote = bundle.manifest["versions"]
    here = {name: installed_version(name) for name in wrote}
    differing = [f"{n} {wrote[n]} (here {here[n]})" for n in wrote if wrote[n] != here[n]]
    return Check(name="library versions", ok=not differing, detail=", ".join(differing) or "as at training")


def _pipelines(bundle: Bundle) -> Check:
    import skops.io

    from model_registry.bundle import TRUSTED_TYPES

    for variant in bundle.recipe.variants:
        path = bundle.root / "variants" / f"{variant.id}.skops"
        if not path.exists():
            return Check(name="pipelines load", ok=False, detail=f"variant {variant.id} has no pipeline")
        unknown = set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED_TYPES)
        if unknown:
            return Check(
                name="pipelines load",
                ok=False,
                detail=f"{variant.id} holds types not allowed: {sorted(unknown)}",
            )
        bundle.pipeline(variant)
        bundle.variant(variant)
    return Check(name="pipelines load", ok=True, detail=f"{len(bundle.recipe.variants)} variants, no unknown type")


def _reference_cohort(bundle: Bundle) -> Check:
    cohort = bundle.reference_cohort()
    if cohort is None:
        held = bundle.reference_curves()
        return Check(
            name="reference cohort without identifiers",
            ok=all(set(c) == {"variant", "endpoint", "group", "counts"} for c in held),
            detail=f"{len(held)} aggregated curves, no patient",
        )
    columns = list(cohort.columns)
    telling = [c for c in columns if any(word in c.lower() for word in IDENTIFIER_COLUMNS)]
    return Check(
        name="reference cohort without identifiers",
        ok=not telling,
        detail=f"identifying columns {telling}" if telling else f"columns {', '.join(columns)}",
    )


def _card(bundle: Bundle) -> Check:
    text = bundle.model_card.lower()
    missing = [w for w in REQUIRED_CARD_WORDS if w not in text]
    return Check(name="model card", ok=not missing, detail=f"does not speak of {missing}" if missing else "complete")
