"""A worker: a Dask worker where a scheduler is set, else a loop over the database's queue."""

import os
import socket
from collections.abc import Callable
from typing import Any

from core.config import settings
from core.domain.errors import InputError
from core.services.jobs import work_queue


def serve(*, threads: int, once: bool, report: Callable[[str], None]) -> dict[str, Any]:
    """Work until told to stop (or, with `once`, until the queue is empty).

    Raises
    ------
    InputError
        When the options do not fit together. UnavailableError when no scheduler answers.
    """
    if threads < 1:
        raise InputError(f"--threads {threads} is not possible; give 1 or more.")
    scheduler = settings().dask_scheduler
    name = f"{socket.gethostname()}-{os.getpid()}"
    if not scheduler:
        report(f"Worker {name}: queue of {settings().home}")
        return {"worker": name, "scheduler": "", "jobs": work_queue(once=once, report=report)}
    if once:
        raise InputError("--once is for a worker without a scheduler; unset HEPABOARD_DASK_SCHEDULER or leave it out.")
    from core.jobs.spread import serve_cluster

    report(f"Worker {name}: cluster at {scheduler}")
    serve_cluster(scheduler, name=name, threads=threads)
    return {"worker": name, "scheduler": scheduler}
