"""A real Dask scheduler and two workers on loopback; one worker is killed in the middle of a case."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.config import PROJECT, settings
from core.domain.errors import UnavailableError
from core.domain.phase import Phase
from core.imaging.nifti import nifti_bytes
from core.jobs.spread import Lost, spread
from core.services.analyse import analyse_case
from core.services.cases import show_case
from core.services.intake import ingest
from core.services.jobs import cancel_job, list_jobs, newest_job, retry_job, start_analysis
from core.services.registry import promote, register_bundle
from core.services.segment import segment_from_file
from core.synthetic.render import RenderedCase
from model_registry.bundle import Bundle

DEADLINE = 120


@dataclass
class Cluster:
    address: str
    workers: list[subprocess.Popen[str]]
    log: Path


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def wait_for(what: Callable[[], bool], seconds: float = DEADLINE) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


@pytest.fixture
def cluster(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cluster]:
    """`dask scheduler` and two `python -m core worker` that share the home."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    monkeypatch.setenv("HEPABOARD_DASK_SCHEDULER", address)
    settings.cache_clear()
    log = tmp_path / "cluster.log"
    commands = [
        [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port)],
        *[[sys.executable, "-m", "core", "worker"]] * 2,
    ]
    commands[0] += ["--no-dashboard"]
    environment = {**os.environ, "HEPABOARD_HOME": str(home)}
    with ExitStack() as stack, log.open("w") as written:
        started = []
        for command in commands:
            child = subprocess.Popen(
                command, cwd=PROJECT, env=environment, stdout=written, stderr=subprocess.STDOUT, text=True
            )
            stack.callback(stop, child)
            started.append(child)
        wait_for(lambda: workers_known(address) == 2)
        yield Cluster(address=address, workers=started[1:], log=log)


def stop(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.wait()


def workers_known(address: str) -> int:
    from distributed import Client

    try:
        with Client(address, timeout=2, set_as_default=False) as client:
            return len(client.scheduler_info()["workers"])
    except OSError:
        return 0


def take_in(folder: Path, case: RenderedCase, code: str, shift: int) -> None:
    """A case whose images differ from the others', so that no cached feature fits it."""
    pairs = []
    for phase in (Phase.AP, Phase.PVP):
        image = case.phases[phase]
        moved = type(image)(array_zyx=image.array_zyx + shift, geometry=image.geometry)
        path = folder / f"{code}_{phase.value}.nii.gz"
        path.write_bytes(nifti_bytes(moved))
        pairs.append(f"{phase.value}={path}")
    ingest(pairs, case=code)
    mask = folder / f"{code}_tumour.nii.gz"
    mask.write_bytes(nifti_bytes(case.tumour))
    segment_from_file(code, mask, phase="PVP")


@pytest.fixture
def cases(cluster: Cluster, ct_case: RenderedCase, small_ct_bundle: Bundle, tmp_path: Path) -> list[str]:
    codes = [f"C{n}" for n in range(4)]
    for shift, code in enumerate(codes):
        take_in(tmp_path, ct_case, code, shift)
    register_bundle(small_ct_bundle.root)
    promote("proliferative_ct_dlr", "1")
    return codes


def test_a_worker_killed_in_the_middle_of_a_case_loses_nothing(cluster: Cluster, cases: list[str]) -> None:
    for code in cases:
        start_analysis(code)

    def running() -> list[str]:
        by_worker = {job.worker: job.case for job in list_jobs() if job.state == "running" and job.progress > 0}
        return [by_worker[w] for w in by_worker if int(w.rpartition(":")[2]) == cluster.workers[0].pid]

    wait_for(lambda: bool(running()))
    victim = running()[0]
    os.kill(cluster.workers[0].pid, signal.SIGKILL)
    wait_for(lambda: all(newest_job(code).state not in ("queued", "running") for code in cases))
    jobs = {job.case: job for job in list_jobs()}
    print([(j.case, j.state, j.attempts, j.worker) for j in jobs.values()], f"killed while at {victim}")
    assert {job.state for job in jobs.values()} == {"done"}
    assert jobs[victim].attempts == 2
    assert int(jobs[victim].worker.rpartition(":")[2]) == cluster.workers[1].pid
    for code in cases:
        stored = show_case(code).predictions
        assert len(stored) == 1, "stored once, though begun twice"
        assert stored[0]["probability"] == pytest.approx(analyse_case(code)[0].probability, rel=1e-12)


def test_a_job_on_the_cluster_can_be_cancelled(cluster: Cluster, cases: list[str]) -> None:
    job = start_analysis(cases[0])
    wait_for(lambda: newest_job(cases[0]).progress > 0 or newest_job(cases[0]).state == "done")
    cancel_job(job.id)
    time.sleep(3)
    now = newest_job(cases[0])
    if now.state == "cancelled":
        assert show_case(cases[0]).predictions == ()
        retry_job(job.id)
        wait_for(lambda: newest_job(cases[0]).state == "done")
        assert len(show_case(cases[0]).predictions) == 1
    else:
        assert now.state == "done", "it had ended before the cancellation came"


def describe(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def end_the_worker(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_cohort_is_spread_over_both_workers(cluster: Cluster) -> None:
    found = dict(spread(describe, [(n,) for n in range(40)], workers=1, scheduler=cluster.address))
    assert [found[n][0] for n in range(40)] == [n * n for n in range(40)]
    assert {pid for _, pid in found.values()} == {w.pid for w in cluster.workers}


def test_a_task_that_kills_local_workers_is_named_and_the_others_finish() -> None:
    found = dict(spread(end_the_worker, [(n,) for n in range(6)], workers=2))
    assert isinstance(found[3], Lost)
    assert [found[n] for n in (0, 1, 2, 4, 5)] == [0, 1, 2, 4, 5]


def test_an_address_where_nobody_answers_is_an_error_with_what_to_do() -> None:
    with pytest.raises(UnavailableError, match=re.escape("HEPABOARD_DASK_SCHEDULER")):
        list(spread(describe, [(1,)], workers=1, scheduler=f"tcp://127.0.0.1:{free_port()}"))
