"""The queue of long work: kept in the database, run by local processes or a Dask cluster, the same code.

A job is queued, running, done, failed or cancelled. Who runs it gives a sign of life every few seconds; a job whose
worker died is begun again, up to `MOST_ATTEMPTS` times: features already computed are in the cache, and results are
stored in one transaction with the job's end, so that nothing is lost and nothing stored twice.
"""

import logging
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from core.config import settings
from core.domain.errors import HepaBoardError, InputError, UnavailableError
from core.jobs import process
from core.services.setup import ensure_database
from core.services.store import find_case, open_session
from core.storage.models import Case, Job

MODULE = "core.services.jobs"
ANALYSIS, SEGMENTATION, TRAINING = "analyse", "segment", "train"
RUNNING = ("queued", "running")
MOST_ATTEMPTS = 3
BEAT_SECONDS = 3.0
LOST_AFTER = timedelta(seconds=30)
# A process of this machine that is seen to live is given longer: it may have been suspended.
HUNG_AFTER = timedelta(minutes=5)
POLL_SECONDS = 1.0
log = logging.getLogger("hepaboard.jobs")


class JobCancelledError(Exception):
    """Raised inside a job's own work when somebody cancelled it, or another worker took it over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """How a job stands."""

    id: int
    kind: str
    case: str
    state: str
    progress: float
    message: str
    attempts: int
    worker: str


def start_analysis(code: str) -> JobView:
    """Queue the analysis of a case and have it started; a running one is returned instead of started twice."""
    return _start(code, ANALYSIS, {})


def start_segmentation(code: str, segmenter: str, phase: str) -> JobView:
    """Queue a segmenter's proposal for a phase, as `start_analysis` does."""
    return _start(code, SEGMENTATION, {"segmenter": segmenter, "phase": phase})


def _start(code: str, kind: str, parameters: dict[str, Any]) -> JobView:
    running = newest_job(code, kind)
    if running is not None and running.state in RUNNING:
        return running
    with open_session() as session:
        case = find_case(session, code)
        job = Job(kind=kind, case_id=case.id, message="Waiting for a worker", parameters=parameters)
        session.add(job)
        session.flush()
        number = job.id
    _launch_or_fail(number)
    return view(number)


def start_training_job(parameters: dict[str, Any], prepare: Callable[[int], dict[str, Any]]) -> JobView:
    """Queue a training; `prepare` gets the job's number, keeps its files and returns what else the job must know."""
    with open_session() as session:
        job = Job(kind=TRAINING, case_id=None, message="Waiting for a worker", parameters=parameters)
        session.add(job)
        session.flush()
        number = job.id
        job.parameters = {**parameters, **prepare(number)}
    _launch_or_fail(number)
    return view(number)


def newest_job(code: str, kind: str = ANALYSIS) -> JobView | None:
    """The case's last job of a kind; one whose worker died is begun again, or failed when it was tried too often."""
    with open_session() as session:
        case = find_case(session, code)
        of_case = select(Job.id).where(Job.case_id == case.id, Job.kind == kind)
        number = session.scalar(of_case.order_by(Job.id.desc()).limit(1))
    if number is None:
        return None
    _revive(number)
    return view(number)


def list_jobs(*, running_only: bool = False) -> list[JobView]:
    """All jobs, newest first."""
    with open_session() as session:
        query = select(Job.id).order_by(Job.id.desc())
        numbers = session.scalars(query.where(Job.state.in_(RUNNING)) if running_only else query).all()
    return [view(n) for n in numbers]


def view(number: int) -> JobView:
    with open_session() as session:
        job = _get(session.get(Job, number), number)
        case = session.get(Case, job.case_id) if job.case_id is not None else None
        return JobView(
            id=job.id,
            kind=job.kind,
            case=case.code if case else "",
            state=job.state,
            progress=job.progress,
            message=job.message,
            attempts=job.attempts,
            worker=job.worker,
        )


def cancel_job(number: int) -> None:
    """Stop a job; nothing of it is kept but the features already in the cache."""
    with open_session() as session:
        job = _get(session.get(Job, number), number)
        if job.state not in RUNNING:
            return
        job.state, job.message = "cancelled", "Cancelled."
        pid = job.process
    if settings().dask_scheduler:
        from core.jobs.spread import take_back

        take_back(_key(number), scheduler=settings().dask_scheduler)
    elif pid is not None:
        process.stop(pid)


def retry_job(number: int) -> JobView:
    """Begin a failed or cancelled job anew.

    Raises
    ------
    InputError
        When the job is not one that ended without a result.
    """
    with open_session() as session:
        job = _get(session.get(Job, number), number)
        if job.state not in ("failed", "cancelled"):
            raise InputError(f"Job {number} is {job.state}; only a failed or cancelled one can be retried.")
        job.state, job.progress, job.message, job.attempts = "queued", 0.0, "Waiting for a worker", 0
        job.process, job.worker = None, ""
    _launch_or_fail(number)
    return view(number)


def resume_jobs() -> int:
    """After a restart: begin what was queued or whose worker is gone; returns how many."""
    with open_session() as session:
        numbers = session.scalars(select(Job.id).where(Job.state.in_(RUNNING))).all()
    return sum(_revive(number) for number in numbers)


def work_queue(*, once: bool, report: Callable[[str], None]) -> int:
    """Run queued jobs of the database in this process, one after the other; returns how many were run.

    Parameters
    ----------
    once : end when the queue is empty, instead of waiting for more.
    """
    done = 0
    while True:
        with open_session() as session:
            waiting = session.scalars(select(Job.id).where(Job.state.in_(RUNNING)).order_by(Job.id)).all()
        free = [n for n in waiting if _is_free(n)]
        if not free and once:
            return done
        if not free:
            time.sleep(POLL_SECONDS)
            continue
        run_job(free[0])
        finished = view(free[0])
        report(f"job {finished.id}, case {finished.case}: {finished.state}. {finished.message}")
        done += 1


def run_job(number: int) -> None:
    """A worker's part: take the job, do it, say how it went. Safe to be called again after a worker died."""
    ensure_database()
    claim = _claim(number)
    if claim is None:
        return
    with _SignsOfLife(number, claim.attempt) as alive:
        try:
            said = _work(number, claim, alive.progress)
        except JobCancelledError:
            return
        except HepaBoardError as error:
            _end(number, claim.attempt, "failed", str(error))
            return
        except Exception as error:
            incident = secrets.token_hex(4)
            log.error("%s incident %s: %s", claim.kind, incident, type(error).__name__)
            _end(number, claim.attempt, "failed", f"Something went wrong on our side (incident {incident}).")
            raise
    _end(number, claim.attempt, "done", said, progress=1.0)


def _work(number: int, claim: "_Claim", progress: Callable[[float, str], None]) -> str:
    """Do what the job asks for; returns what to say when it is done."""
    if claim.kind == ANALYSIS:
        from core.services.analyse import analyse_case

        made = analyse_case(claim.code, progress=progress, job=(number, claim.attempt))
        return f"{sum(p.computed for p in made)} model(s) applied."
    if claim.kind == SEGMENTATION:
        from core.services.segmenters import store_proposal

        wanted = claim.parameters
        count = store_proposal(claim.code, wanted["segmenter"], phase=wanted["phase"], progress=progress)
        return f"{count} mask(s) proposed."
    if claim.kind == TRAINING:
        from core.services.research import run_training

        return run_training(number, claim.parameters, progress)
    raise InputError(f"This version knows no job of the kind '{claim.kind}'.")


def _launch_or_fail(number: int) -> None:
    try:
        _launch(number)
    except UnavailableError as error:
        with open_session() as session:
            session.execute(update(Job).where(Job.id == number).values(state="failed", message=str(error)))
        raise


def _launch(number: int) -> None:
    scheduler = settings().dask_scheduler
    if scheduler:
        from core.jobs.spread import hand_over

        hand_over(run_job, number, key=_key(number), scheduler=scheduler)
        return
    pid = process.start(MODULE, [str(number)])
    with open_session() as session:
        session.execute(update(Job).where(Job.id == number).values(process=pid))


def _key(number: int) -> str:
    """The job's name on the cluster. The database is part of it: two installations may share a scheduler."""
    import hashlib

    return f"hepaboard-{hashlib.sha256(settings().url.encode()).hexdigest()[:12]}-job-{number}"


def _revive(number: int) -> bool:
    """Begin a job again whose worker is gone; returns whether it was begun."""
    if not _is_free(number):
        return False
    with open_session() as session:
        job = session.get_one(Job, number)
        if job.attempts >= MOST_ATTEMPTS:
            job.state = "failed"
            job.message = f"The work ended {job.attempts} times without a word. Start it again or ask for help."
            return False
        # The beat keeps a cluster that does not answer from being asked again at once.
        job.state, job.message, job.beat = "queued", "Waiting for a worker", _now()
    try:
        _launch(number)
    except UnavailableError as error:
        log.warning("job %d could not be handed over: %s", number, error)
        with open_session() as session:
            session.execute(update(Job).where(Job.id == number).values(message=str(error)))
        return False
    return True


def _is_free(number: int) -> bool:
    """Whether a queued or running job has nobody who works at it."""
    with open_session() as session:
        job = session.get(Job, number)
        if job is None or job.state not in RUNNING:
            return False
        quiet = _now() - (job.beat or job.created)
        host, _, pid = job.worker.rpartition(":")
        if job.state == "running" and host == socket.gethostname():
            return not process.is_alive(int(pid)) or quiet > HUNG_AFTER
        if job.state == "queued" and job.process is not None:
            return not process.is_alive(job.process)
        return quiet > LOST_AFTER


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """A job taken: what it asks for, of which case (none for a training), and the number of this attempt."""

    kind: str
    code: str
    parameters: dict[str, Any]
    attempt: int


def _claim(number: int) -> _Claim | None:
    """Take a job, or nothing when it needs no work."""
    with open_session() as session:
        job = session.get(Job, number)
        if job is None or job.state not in RUNNING:
            return None
        host, _, pid = job.worker.rpartition(":")
        if host == socket.gethostname() and int(pid) != os.getpid() and process.is_alive(int(pid)):
            return None
        attempt = job.attempts + 1
        values = {
            "state": "running",
            "attempts": attempt,
            "worker": f"{socket.gethostname()}:{os.getpid()}",
            # A process of the job's own may be ended to cancel it; a worker that takes one job after another may not.
            "process": os.getpid() if job.process == os.getpid() else None,
            "beat": _now(),
            "message": "Beginning",
        }
        # Two workers may reach for one job: the first to count the attempt up has it.
        mine = update(Job).where(Job.id == number, Job.attempts == job.attempts).values(**values).returning(Job.id)
        case = session.get(Case, job.case_id) if job.case_id is not None else None
        if session.scalar(mine) is None:
            return None
        return _Claim(kind=job.kind, code=case.code if case else "", parameters=dict(job.parameters), attempt=attempt)


def _end(number: int, attempt: int, state: str, message: str, **values: object) -> None:
    with open_session() as session:
        mine = (Job.id == number, Job.attempts == attempt, Job.state.in_(("running", "done")))
        session.execute(update(Job).where(*mine).values(state=state, message=message, **values))


class _SignsOfLife:
    """Tells the database every few seconds that the job is alive, and the job when it is no longer wanted."""

    def __init__(self, number: int, attempt: int) -> None:
        self._mine = (Job.id == number, Job.attempts == attempt, Job.state == "running")
        self._unwanted = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._written = 0.0

    def __enter__(self) -> "_SignsOfLife":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def progress(self, share: float, text: str) -> None:
        """Store progress; raises JobCancelledError when the job was cancelled or taken over."""
        if self._unwanted.is_set():
            raise JobCancelledError
        # The page asks twice a second; writing more often would only wear the database.
        if time.monotonic() - self._written > 0.3 or share >= 1:
            self._written = time.monotonic()
            self._write(progress=share, message=text)

    def _beat(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            self._write()

    def _write(self, **values: object) -> None:
        with open_session() as session:
            still = update(Job).where(*self._mine).values(beat=_now(), **values).returning(Job.id)
            if session.scalar(still) is None:
                self._unwanted.set()


def _get(job: Job | None, number: int) -> Job:
    if job is None:
        raise InputError(f"There is no job {number}.")
    return job


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


if __name__ == "__main__":
    run_job(int(sys.argv[1]))
