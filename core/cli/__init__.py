"""The command line: the app without a browser. docs/cli.md describes every verb; heavy imports wait for their verb."""

import argparse
import json
import secrets
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.cli.masks import add_mask_verbs
from core.cli.output import Handler, Verb, progress
from core.cli.statistics import add_statistics_verb
from core.cli.training import add_training_verbs
from core.domain.errors import HepaBoardError, InputError

WITHOUT_DATABASE = ("score", "radiomics", "stats", "train", "evaluate", "open-cohorts")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code: 0 done, 2 the input was wrong, 1 our own fault."""
    parser = build_parser()
    options = parser.parse_args(_joined_seed(list(sys.argv[1:] if arguments is None else arguments)))
    if not hasattr(options, "handler"):
        parser.print_help()
        return 0
    try:
        if options.verb not in WITHOUT_DATABASE:
            _migrate()
        result = options.handler(options)
    except HepaBoardError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 1
    except Exception as error:
        if options.debug:
            raise
        incident = secrets.token_hex(4)
        kind = type(error).__name__
        print(
            f"error: something went wrong on our side (incident {incident}, {kind}); --debug shows more",
            file=sys.stderr,
        )
        return 1
    _show(result, as_json=options.json)
    return 1 if isinstance(result, dict) and result.get("ok") is False else 0


def _joined_seed(arguments: list[str]) -> list[str]:
    """`--seed -80,10,5` as `--seed=-80,10,5`: argparse takes a leading minus for an option."""
    if "--seed" not in arguments[:-1]:
        return arguments
    at = arguments.index("--seed")
    return [*arguments[:at], f"--seed={arguments[at + 1]}", *arguments[at + 2 :]]


def build_parser() -> argparse.ArgumentParser:
    """All verbs with their options."""
    parser = argparse.ArgumentParser(
        prog="python -m core", description="HepaBoard without a browser. Research use only."
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    common.add_argument("--debug", action="store_true", help="show the traceback of our own faults")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")

    def verb(name: str, handler: Handler, text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, parents=[common], help=text, description=text)
        made.set_defaults(handler=handler)
        return made

    _add_case_verbs(verb)
    add_mask_verbs(verb)
    add_training_verbs(verb)
    _add_model_verbs(verb)
    add_statistics_verb(verb)
    return parser


def _add_case_verbs(verb: Verb) -> None:
    demo = verb("demo", _demo, "make the synthetic demonstration cohort and its cases")
    demo.add_argument("--cases", type=int, default=8, metavar="N")
    demo.add_argument("--seed", type=int, default=20250, metavar="S")

    ingest = verb("ingest", _ingest, "take in a study: DICOM folder, file or zip; NIfTI or NRRD named by phase")
    ingest.add_argument("paths", nargs="+", metavar="PATH", help="a path, or PHASE=FILE")
    ingest.add_argument("--case", metavar="ID", help="case name; made up when absent")
    ingest.add_argument("--clinical", metavar="FILE", help="JSON object, or CSV with the columns code and value")

    cases = verb("cases", _cases, "the worklist; `cases show ID` prints one case")
    cases.add_argument("action", nargs="?", choices=["list", "show"], default="list")
    cases.add_argument("id", nargs="?", metavar="ID")

    radiomics = verb("radiomics", _radiomics, "hand-crafted features of one image and mask")
    radiomics.add_argument("image", nargs="?", metavar="IMAGE")
    radiomics.add_argument("mask", nargs="?", metavar="MASK")
    radiomics.add_argument(
        "--preset", default="epr_debtace", metavar="NAME", help="a shipped preset, or a PyRadiomics parameter file"
    )
    radiomics.add_argument("--print-preset", metavar="NAME", help="print a preset as a PyRadiomics parameter file")
    radiomics.add_argument("--shell-mm", type=float, metavar="N", help="features of the peritumoral shell instead")
    radiomics.add_argument("--organ", metavar="FILE", help="mask the shell is cut to")
    radiomics.add_argument("--value", type=int, metavar="V", help="label value, where the mask holds several")
    radiomics.add_argument("--resample", action="store_true", help="bring a mask of another grid to the image's")
    radiomics.add_argument(
        "--engine", default="fast", choices=["fast", "pyradiomics"], help="plain PyRadiomics gives the same, slower"
    )
    radiomics.add_argument("--workers", type=int, metavar="N", help="threads; all cores unless given")
    radiomics.add_argument("--out", metavar="FILE.csv")

    analyse = verb("analyse", _analyse, "regions, features and every applicable active model")
    analyse.add_argument("case", metavar="CASE")
    analyse.add_argument("--model", action="append", metavar="NAME")

    explain = verb("explain", _explain, "where a model's network looked: its class activation map as a NIfTI file")
    explain.add_argument("case", metavar="CASE")
    explain.add_argument("--model", required=True, metavar="NAME")
    explain.add_argument("--out", required=True, metavar="FILE.nii.gz")

    jobs = verb("jobs", _jobs, "the queue of analyses: list, start CASE..., cancel ID, retry ID")
    jobs.add_argument("action", nargs="?", choices=["list", "start", "cancel", "retry"], default="list")
    jobs.add_argument("targets", nargs="*", metavar="CASE|ID")

    worker = verb("worker", _worker, "do queued work: a Dask worker where HEPABOARD_DASK_SCHEDULER is set, else here")
    worker.add_argument("--threads", type=int, default=1, metavar="N", help="cases at a time on the cluster")
    worker.add_argument("--once", action="store_true", help="without a scheduler: end when the queue is empty")

    score = verb("score", _score, "a published score from KEY=VALUE pairs")
    score.add_argument("name", metavar="NAME")
    score.add_argument("values", nargs="*", metavar="KEY=VALUE")


def _add_model_verbs(verb: Verb) -> None:
    models = verb("models", _models, "the registry: list, verify, register, promote, rollback, retire")
    models.add_argument("action", choices=["list", "verify", "register", "promote", "rollback", "retire"])
    models.add_argument("target", nargs="?", metavar="DIR|NAME")
    models.add_argument("version", nargs="?", metavar="VERSION")


def _migrate() -> None:
    from core.services.setup import ensure_database

    ensure_database()


def _demo(options: argparse.Namespace) -> Any:
    from core.services.demonstration import make_demonstration

    return make_demonstration(cases=options.cases, seed=options.seed, report=progress)


def _ingest(options: argparse.Namespace) -> Any:
    from core.services.intake import ingest

    return ingest(options.paths, case=options.case, clinical=options.clinical).as_json()


def _cases(options: argparse.Namespace) -> Any:
    from core.services.cases import list_cases, show_case

    if options.action == "show":
        if not options.id:
            raise InputError("Which case? `cases show ID`.")
        return show_case(options.id).as_json()
    return [asdict(row) for row in list_cases()]


def _radiomics(options: argparse.Namespace) -> Any:
    if options.print_preset:
        from core.services.radiomics import preset_text

        return preset_text(options.print_preset)
    if not (options.image and options.mask and options.out):
        raise InputError("Give IMAGE, MASK and --out FILE.csv, or --print-preset NAME.")
    from core.services.radiomics import RadiomicsRequest, radiomics_csv

    if options.workers is not None and options.workers < 1:
        raise InputError(f"--workers {options.workers} is not possible; give 1 or more.")
    request = RadiomicsRequest(
        image=Path(options.image),
        mask=Path(options.mask),
        preset=options.preset,
        value=options.value,
        resample=options.resample,
        shell_mm=options.shell_mm,
        organ=Path(options.organ) if options.organ else None,
        engine=options.engine,
        workers=options.workers,
    )
    return radiomics_csv(request, Path(options.out))


def _analyse(options: argparse.Namespace) -> Any:
    from core.services.analyse import analyse_case

    made = analyse_case(options.case, options.model, progress=lambda share, text: progress(f"{share:4.0%} {text}"))
    return {"case_id": options.case, "predictions": [p.as_json() for p in made]}


def _explain(options: argparse.Namespace) -> Any:
    from core.services.explain import write_attention

    return write_attention(options.case, options.model, Path(options.out))


def _jobs(options: argparse.Namespace) -> Any:
    from core.services import jobs

    if options.action == "list":
        return [asdict(job) for job in jobs.list_jobs()]
    if not options.targets:
        raise InputError(f"jobs {options.action} needs {'a case' if options.action == 'start' else 'a job number'}.")
    if options.action == "start":
        return [asdict(jobs.start_analysis(code)) for code in options.targets]
    numbers = [_number(text) for text in options.targets]
    if options.action == "retry":
        return [asdict(jobs.retry_job(number)) for number in numbers]
    for number in numbers:
        jobs.cancel_job(number)
    return [asdict(jobs.view(number)) for number in numbers]


def _number(text: str) -> int:
    if not text.isdigit():
        raise InputError(f"'{text}' is not a job number. `jobs` lists them.")
    return int(text)


def _worker(options: argparse.Namespace) -> Any:
    from core.services.worker import serve

    return serve(threads=options.threads, once=options.once, report=progress)


def _score(options: argparse.Namespace) -> Any:
    from core.services.scores import compute_score

    values = {}
    for pair in options.values:
        key, _, text = pair.partition("=")
        try:
            values[key] = float(text)
        except ValueError as error:
            raise InputError(f"'{pair}' is not KEY=VALUE with a number.") from error
    return asdict(compute_score(options.name, values))


def _models(options: argparse.Namespace) -> Any:
    from core.services import registry

    if options.action == "list":
        return [asdict(row) for row in registry.list_models()]
    if not options.target:
        raise InputError(
            f"models {options.action} needs a {'folder' if options.action in ('verify', 'register') else 'name'}."
        )
    if options.action == "verify":
        checks = registry.verify_bundle(Path(options.target))
        return {"ok": all(c.ok for c in checks), "checks": [asdict(c) for c in checks]}
    if options.action == "register":
        return asdict(registry.register_bundle(Path(options.target)))
    if options.action == "rollback":
        return {"name": options.target, "active": registry.rollback(options.target)}
    if not options.version:
        raise InputError(f"models {options.action} needs NAME and VERSION.")
    {"promote": registry.promote, "retire": registry.retire}[options.action](options.target, options.version)
    return {"name": options.target, "version": options.version, "done": options.action}


def _show(result: Any, *, as_json: bool) -> None:
    if isinstance(result, str):
        print(result, end="")
    elif as_json:
        print(json.dumps(result, default=str, ensure_ascii=False))
    else:
        from core.tables import as_text

        print(as_text(result))
