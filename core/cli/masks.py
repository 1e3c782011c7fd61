"""The verbs about masks: mark, compare, and the segmenters that mark."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.cli.output import Verb, progress
from core.domain.errors import InputError

LABELS = ("tumour", "liver", "LOAT")


def add_mask_verbs(verb: Verb) -> None:
    segment = verb("segment", _segment, "mark the tumour from a seed point, a mask file or by a segmenter")
    segment.add_argument("case", metavar="CASE")
    how = segment.add_mutually_exclusive_group(required=True)
    how.add_argument("--seed", metavar="X,Y,Z", help="a point in mm, patient coordinates (LPS)")
    how.add_argument("--mask", metavar="FILE", help="NIfTI, NRRD, DICOM SEG, or a DICOM image series as folder or zip")
    how.add_argument("--model", metavar="NAME", help="a segmenter; `segmenters` lists them")
    segment.add_argument("--phase", metavar="P", help="the phase the seed or mask belongs to")
    segment.add_argument("--lesion", type=int, default=1, metavar="N")
    segment.add_argument("--reader", metavar="NAME", help="who made the mask; `local` unless given")
    segment.add_argument("--label", default="tumour", choices=LABELS)
    segment.add_argument("--value", type=int, metavar="V", help="label value, where the file holds several")
    segment.add_argument(
        "--spread", type=float, default=2.5, metavar="SD", help="how far values may differ while growing"
    )
    segment.add_argument("--resample", action="store_true", help="bring a mask of another grid to the phase's")

    masks = verb("masks", _masks, "revisions of a mask: list CASE, compare CASE REVISION REVISION")
    masks.add_argument("action", choices=["list", "compare"])
    masks.add_argument("case", metavar="CASE")
    masks.add_argument("revisions", nargs="*", type=int, metavar="REVISION")
    masks.add_argument("--label", default="tumour", choices=LABELS)
    masks.add_argument("--lesion", type=int, default=1, metavar="N")

    segmenters = verb("segmenters", _segmenters, "MONAI bundles that mark liver and tumour: list, register, remove")
    segmenters.add_argument("action", choices=["list", "register", "remove"])
    segmenters.add_argument("target", nargs="?", metavar="DIR|NAME")


def _segment(options: argparse.Namespace) -> Any:
    from core.services.segment import segment_from_file, segment_from_seed
    from core.services.store import LOCAL_USER

    if options.model:
        return _segment_by_model(options)
    author = options.reader or LOCAL_USER
    if options.seed:
        point = _point(options.seed)
        made = segment_from_seed(
            options.case, point, phase=options.phase, lesion=options.lesion, spread=options.spread, author=author
        )
    else:
        made = segment_from_file(
            options.case,
            Path(options.mask),
            phase=options.phase,
            label=options.label,
            lesion=options.lesion,
            value=options.value,
            resample=options.resample,
            author=author,
        )
    return made.as_json()


def _segment_by_model(options: argparse.Namespace) -> Any:
    """The largest lesion's measures at the top, as for one mask; all masks in a list."""
    from core.services.segmenters import segment_by_model

    made = segment_by_model(options.case, options.model, phase=options.phase, progress=_report)
    masks = [m.as_json() for m in made]
    return {**masks[0], "masks": masks}


def _report(share: float, text: str) -> None:
    progress(f"{share:.0%} {text}")


def _segmenters(options: argparse.Namespace) -> Any:
    from core.services.segmenters import list_segmenters, register_segmenter, remove_segmenter

    if options.action == "list":
        return [asdict(row) for row in list_segmenters()]
    if not options.target:
        raise InputError(
            f"Which one? `segmenters {options.action} {'DIR' if options.action == 'register' else 'NAME'}`."
        )
    if options.action == "register":
        return asdict(register_segmenter(Path(options.target)))
    remove_segmenter(options.target)
    return {"removed": options.target}


def _masks(options: argparse.Namespace) -> Any:
    from core.services.agreement import compare_revisions
    from core.services.cases import mask_history

    if options.action == "list":
        return [asdict(m) for m in mask_history(options.case, options.label, options.lesion)]
    if len(options.revisions) != 2:
        raise InputError("Two revisions are compared: `masks compare CASE REVISION REVISION`.")
    return asdict(compare_revisions(options.case, *options.revisions))


def _point(text: str) -> tuple[float, float, float]:
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"'{text}' is not a point. Give three numbers in mm: --seed X,Y,Z.") from error
    return x, y, z
