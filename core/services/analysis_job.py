"""Analysis as a job: a process of its own, its state in the database, cancel at any time."""

import logging
import secrets
import sys
import time
from dataclasses import dataclass

from sqlalchemy import select

from core.domain.errors import HepaBoardError
from core.jobs import process
from core.services.store import find_case, open_session
from core.storage.models import Job

MODULE = "core.services.analysis_job"
RUNNING = ("queued", "running")
log = logging.getLogger("hepaboard.jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """How a job stands. `state` is queued, running, done, failed or cancelled."""

    id: int
    state: str
    progress: float
    message: str


def start_analysis(code: str) -> JobView:
    """Queue and start the analysis of a case; a running one is returned instead of started twice."""
    running = newest_job(code)
    if running is not None and running.state in RUNNING:
        return running
    with open_session() as session:
        job = Job(kind="analyse", case_id=find_case(session, code).id, message="Starting")
        session.add(job)
        session.flush()
        number = job.id
    pid = process.start(MODULE, [str(number), code])
    with open_session() as session:
        stored = session.get_one(Job, number)
        stored.process = pid
        return _view(stored)


def newest_job(code: str) -> JobView | None:
    """The case's last analysis; one whose process died without a word is marked failed."""
    with open_session() as session:
        case = find_case(session, code)
        job = session.scalar(select(Job).where(Job.case_id == case.id).order_by(Job.id.desc()).limit(1))
        if job is None:
            return None
        if job.state in RUNNING and job.process is not None and not process.is_alive(job.process):
            job.state, job.message = "failed", "The analysis stopped before it was done. Start it again."
        return _view(job)


def cancel_analysis(number: int) -> None:
    """Stop a running analysis; nothing of it is kept but the features already in the cache."""
    with open_session() as session:
        job = session.get_one(Job, number)
        if job.state not in RUNNING:
            return
        job.state, job.message = "cancelled", "Cancelled."
        pid = job.process
    if pid is not None:
        process.stop(pid)


def _view(job: Job) -> JobView:
    return JobView(id=job.id, state=job.state, progress=job.progress, message=job.message)


def _update(number: int, **values: object) -> None:
    with open_session() as session:
        job = session.get_one(Job, number)
        if job.state == "cancelled":
            sys.exit(0)
        for name, value in values.items():
            setattr(job, name, value)


def run(number: int, code: str) -> None:
    """The job's own process: analyse and say how it went."""
    from core.services.analyse import analyse_case

    last = 0.0

    def progress(fraction: float, text: str) -> None:
        nonlocal last
        # The page asks twice a second; writing more often would only wear the database.
        if time.monotonic() - last > 0.3 or fraction >= 1:
            last = time.monotonic()
            _update(number, progress=fraction, message=text)

    _update(number, state="running", message="Reading the case")
    try:
        made = analyse_case(code, progress=progress)
    except HepaBoardError as error:
        _update(number, state="failed", message=str(error))
    except Exception as error:
        incident = secrets.token_hex(4)
        log.error("analysis incident %s: %s", incident, type(error).__name__)
        _update(number, state="failed", message=f"Something went wrong on our side (incident {incident}).")
        raise
    else:
        _update(number, state="done", progress=1.0, message=f"{sum(p.computed for p in made)} model(s) applied.")


if __name__ == "__main__":
    run(int(sys.argv[1]), sys.argv[2])
