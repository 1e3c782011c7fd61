"""`stats`: what the pages compute, on any table."""

import argparse
from pathlib import Path
from typing import Any

from core.cli.output import Verb
from core.domain.errors import InputError

CALLS = ("auc", "compare", "reclassify", "calibration", "decision", "nomogram", "km", "cox", "icc", "incidence",
         "time-auc", "baseline")  # fmt: skip


def add_statistics_verb(verb: Verb) -> None:
    made = verb("stats", _stats, "statistics of a table's columns, as the pages show them")
    made.add_argument("call", choices=CALLS)
    made.add_argument("--csv", required=True, metavar="FILE")
    made.add_argument("--outcome", default="", metavar="Y", help="column of 0 and 1")
    made.add_argument("--score", default="", metavar="S")
    made.add_argument("--baseline", default="", metavar="B", help="score to compare with")
    made.add_argument("--time", default="", metavar="T", help="follow-up")
    made.add_argument("--event", default="", metavar="E", help="1 event, 0 censored; 2 and on competing")
    made.add_argument("--group", default="", metavar="G")
    made.add_argument("--predictors", default="", metavar="A,B")
    made.add_argument("--columns", default="", metavar="A,B")
    made.add_argument("--thresholds", default="", metavar="P,P", help="probabilities; risk categories of `reclassify`")
    made.add_argument("--at", default="", metavar="TIMES")
    made.add_argument("--splines", default="", metavar="A=K", help="restricted cubic splines with K knots (3 to 5)")
    made.add_argument("--interval", default="log", choices=["log", "log-log"], help="of Kaplan-Meier; R's is log")


def _stats(options: argparse.Namespace) -> Any:
    from core.services.statistics import Question, compute

    question = Question(
        outcome=options.outcome,
        score=options.score,
        baseline=options.baseline,
        time=options.time,
        event=options.event,
        group=options.group,
        columns=_names(options.predictors or options.columns),
        thresholds=_numbers("thresholds", options.thresholds),
        at=_numbers("at", options.at),
        splines=_knots(options.splines),
        interval=options.interval,
    )
    return compute(options.call, Path(options.csv), question)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in _names(text))
    except ValueError as error:
        raise InputError(f"--{option} takes numbers with commas between them, not '{text}'.") from error


def _knots(text: str) -> dict[str, int]:
    made = {}
    for part in _names(text):
        name, _, knots = part.rpartition("=")
        if not name or not knots.isdigit():
            raise InputError(f"--splines takes NAME=KNOTS, such as age=4, not '{part}'.")
        made[name] = int(knots)
    return made
