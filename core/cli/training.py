"""`train`, `evaluate` and `open-cohorts`: models from a centre's own cohort, or from an open one."""

import argparse
from pathlib import Path
from typing import Any

from core.cli.output import Verb, progress
from core.domain.errors import InputError


def add_training_verbs(verb: Verb) -> None:
    train = verb("train", _train, "run a recipe and write a bundle with its report")
    train.add_argument("recipe", metavar="RECIPE", help="a name in model_registry/recipes, or a YAML file")
    source = train.add_mutually_exclusive_group(required=True)
    source.add_argument("--cohort", metavar="MANIFEST", help="CSV of cases with image and mask files")
    source.add_argument("--features", metavar="CSV", help="feature table with an outcome column")
    train.add_argument("--external", action="append", default=[], metavar="CSV", help="another cohort; repeat it")
    train.add_argument(
        "--readers", action="append", default=[], metavar="CSV", help="the same cases by another reading; repeat it"
    )
    train.add_argument("--outcome", metavar="COL", help="outcome column, if not the recipe's")
    train.add_argument("--time", metavar="COL", help="follow-up time, with --event")
    train.add_argument("--event", metavar="COL", help="1 event, 0 censored, with --time")
    train.add_argument("--weights", metavar="FILE", help="safetensors weights of the recipe's network")
    train.add_argument("--harmonise", action="store_true", help="ComBat between the table's sites, inside each fold")
    train.add_argument("--seed", type=int, default=0, metavar="S")
    train.add_argument("--workers", type=int, default=2, metavar="N")
    train.add_argument("--bundle-version", default="1", metavar="V")
    train.add_argument("--out", required=True, metavar="DIR")

    evaluate = verb("evaluate", _evaluate, "a bundle on new data")
    evaluate.add_argument("bundle", metavar="BUNDLE", help="a bundle's folder or zip")
    evaluate.add_argument("--features", required=True, metavar="CSV")
    evaluate.add_argument("--outcome", metavar="COL", help="outcome column, if not the recipe's")

    cohorts = verb("open-cohorts", _open_cohorts, "models from openly licensed cohorts: build, register")
    cohorts.add_argument("action", choices=["build", "register"])
    cohorts.add_argument("tables", nargs="?", metavar="DIR", help="folder of the downloaded tables, for build")
    cohorts.add_argument("--out", metavar="DIR", help="where build writes; by default beside the recipes")


def _train(options: argparse.Namespace) -> Any:
    from core.services.train_command import TrainingRequest, train_from_files

    if options.workers < 1:
        raise InputError(f"--workers {options.workers} is not possible; give 1 or more.")
    request = TrainingRequest(
        recipe=options.recipe,
        out=Path(options.out),
        cohort=options.cohort,
        features=options.features,
        external=tuple(options.external),
        readers=tuple(options.readers),
        outcome=options.outcome,
        time=options.time,
        event=options.event,
        weights=options.weights,
        harmonise=options.harmonise,
        seed=options.seed,
        workers=options.workers,
        version=options.bundle_version,
    )
    return train_from_files(request, lambda share, text: progress(f"{share:4.0%} {text}"))


def _evaluate(options: argparse.Namespace) -> Any:
    from core.services.train_command import evaluate_from_files

    return evaluate_from_files(options.bundle, options.features, options.outcome)


def _open_cohorts(options: argparse.Namespace) -> Any:
    from core.services import open_cohorts

    if options.action == "register":
        return {"models": open_cohorts.register_shipped(progress)}
    if not options.tables:
        raise InputError("Name the folder with the downloaded tables: open-cohorts build DIR.")
    out = Path(options.out) if options.out else open_cohorts.SHIPPED
    return {"bundles": open_cohorts.build(Path(options.tables), out, progress)}
