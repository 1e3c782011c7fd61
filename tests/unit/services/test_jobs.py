"""The queue: taken up again after a restart, given up after too many tries, retried by hand, worked off by a worker."""

import os
import socket
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from core.domain.errors import InputError, UnavailableError
from core.domain.phase import Phase
from core.jobs import process
from core.services import jobs
from core.services.jobs import (
    MOST_ATTEMPTS,
    JobCancelledError,
    cancel_job,
    list_jobs,
    newest_job,
    resume_jobs,
    retry_job,
    run_job,
    start_analysis,
    work_queue,
)
from core.services.store import open_session
from core.storage.models import Job
from core.synthetic.render import RenderedCase
from tests.unit.services.test_analysis import take_in


@pytest.fixture
def queued(home: Path, tmp_path: Path, ct_case: RenderedCase, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One case with a queued job; starting a process is recorded instead of done."""
    launched: list[int] = []
    monkeypatch.setattr(jobs, "_launch", launched.append)
    take_in(tmp_path, ct_case, (Phase.PVP,), "Q")
    start_analysis("Q")
    return launched


def put(number: int, **values: object) -> None:
    with open_session() as session:
        session.execute(update(Job).where(Job.id == number).values(**values))


def dead_process() -> int:
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def test_a_job_whose_worker_died_is_begun_again_after_a_restart(queued: list[int]) -> None:
    put(1, state="running", attempts=1, worker=f"{socket.gethostname()}:{dead_process()}", beat=jobs._now())
    assert resume_jobs() == 1
    assert queued == [1, 1]
    assert newest_job("Q").state == "queued"


def test_a_job_on_another_machine_is_begun_again_only_when_it_has_gone_quiet(queued: list[int]) -> None:
    put(1, state="running", attempts=1, worker="elsewhere:1", beat=jobs._now())
    assert resume_jobs() == 0
    put(1, beat=jobs._now() - timedelta(minutes=1))
    assert resume_jobs() == 1
    assert queued == [1, 1]


def test_a_job_that_ended_its_worker_too_often_is_given_up_with_a_sentence(queued: list[int]) -> None:
    gone = f"{socket.gethostname()}:{dead_process()}"
    put(1, state="running", attempts=MOST_ATTEMPTS, worker=gone, beat=jobs._now())
    job = newest_job("Q")
    assert job.state == "failed"
    assert "without a word" in job.message
    assert queued == [1]
    assert retry_job(1).state == "queued"
    assert queued == [1, 1]


def test_only_a_job_without_a_result_can_be_retried(queued: list[int]) -> None:
    with pytest.raises(InputError, match="queued"):
        retry_job(1)
    with pytest.raises(InputError, match="no job 7"):
        retry_job(7)


def test_a_worker_without_a_scheduler_works_the_queue_off(queued: list[int]) -> None:
    """No model is active here: the job ends with the sentence that says so."""
    put(1, created=jobs._now() - timedelta(minutes=1))
    said: list[str] = []
    assert work_queue(once=True, report=said.append) == 1
    assert said == [f"job 1, case Q: failed. {newest_job('Q').message}"]
    assert "No model is active" in newest_job("Q").message
    assert work_queue(once=True, report=said.append) == 0


def test_a_cancelled_job_stops_at_its_next_step_and_stores_nothing(
    queued: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.services import analyse

    def long_work(code: str, **given: object) -> list[object]:
        cancel_job(1)
        given["progress"](0.5, "half")
        given["progress"](0.6, "more")
        raise AssertionError("went on after it was cancelled")

    monkeypatch.setattr(process, "stop", lambda pid: None)
    monkeypatch.setattr(analyse, "analyse_case", long_work)
    run_job(1)
    assert newest_job("Q").state == "cancelled"


def test_cancelling_never_ends_a_worker_that_is_not_the_jobs_own(
    queued: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(process, "stop", ended.append)
    jobs._claim(1)
    cancel_job(1)
    assert ended == []
    retry_job(1)
    own = os.getpid()
    put(1, process=own)
    jobs._claim(1)
    cancel_job(1)
    assert ended == [own]


def test_an_attempt_that_was_taken_over_may_not_go_on(queued: list[int]) -> None:
    claim = jobs._claim(1)
    assert claim is not None
    assert (claim.kind, claim.code, claim.attempt) == ("analyse", "Q", 1)
    alive = jobs._SignsOfLife(1, claim.attempt)
    alive.progress(0.1, "mine")
    put(1, attempts=2)
    alive._write()
    with pytest.raises(JobCancelledError):
        alive.progress(0.2, "still mine?")
    jobs._end(1, claim.attempt, "failed", "not mine to say")
    assert list_jobs()[0].state == "running"


def test_a_cluster_that_does_not_answer_neither_stops_the_app_nor_loses_the_job(
    queued: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(number: int) -> None:
        raise UnavailableError("No Dask scheduler answers at tcp://here:1.")

    monkeypatch.setattr(jobs, "_launch", nobody)
    put(1, created=jobs._now() - timedelta(minutes=1))
    assert resume_jobs() == 0
    job = newest_job("Q")
    assert (job.state, job.message) == ("queued", "No Dask scheduler answers at tcp://here:1.")
    put(1, state="cancelled")
    with pytest.raises(UnavailableError):
        start_analysis("Q")
    assert newest_job("Q").state == "failed"
