"""One function over many tasks: local processes, or a Dask cluster by address. The same call, the same results."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from core.domain.errors import UnavailableError

Function = Callable[..., Any]
CONNECT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Lost:
    """In place of a result: the task ended its worker's process each time it was tried."""

    reason: str


def spread(
    function: Function,
    tasks: Sequence[tuple[Any, ...]],
    *,
    workers: int,
    scheduler: str = "",
    initializer: Callable[[], None] | None = None,
) -> Iterator[tuple[int, Any]]:
    """Call `function(*task)` for every task; yields (place, result) as they are done.

    A worker that dies takes nothing with it: its task is given to another. A task that ends its worker again and again
    (out of memory, a crash in a library) yields `Lost`, and the others go on.

    Parameters
    ----------
    function : importable by name on every worker.
    workers : local processes; 1 runs in this one.
    scheduler : address of a Dask scheduler; empty runs here.

    Raises
    ------
    UnavailableError
        When no scheduler answers at the address. An exception of `function` itself is raised as it is.
    """
    if scheduler:
        yield from _on_cluster(function, tasks, scheduler)
    elif workers <= 1:
        for place, task in enumerate(tasks):
            yield place, function(*task)
    else:
        yield from _in_processes(function, tasks, workers, initializer)


def _in_processes(
    function: Function, tasks: Sequence[tuple[Any, ...]], workers: int, initializer: Callable[[], None] | None
) -> Iterator[tuple[int, Any]]:
    pending = dict(enumerate(tasks))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=initializer) as pool:
        futures = {pool.submit(function, *task): place for place, task in pending.items()}
        try:
            for future in as_completed(futures):
                result = future.result()
                del pending[futures[future]]
                yield futures[future], result
        except BrokenProcessPool:
            pass  # A broken pool does not say which task broke it: what is left gets a process of its own each.
    yield from _one_process_each(function, pending, initializer)


def _one_process_each(
    function: Function, pending: dict[int, tuple[Any, ...]], initializer: Callable[[], None] | None
) -> Iterator[tuple[int, Any]]:
    for place, task in pending.items():
        with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=initializer) as pool:
            try:
                result = pool.submit(function, *task).result()
            except BrokenProcessPool:
                result = Lost("its worker process ended twice without a word; it may need more memory")
        yield place, result


def _on_cluster(function: Function, tasks: Sequence[tuple[Any, ...]], address: str) -> Iterator[tuple[int, Any]]:
    from distributed import KilledWorker, as_completed

    with connected(address) as client, client.as_current():
        futures = {client.submit(function, *task, pure=False): place for place, task in enumerate(tasks)}
        for future in as_completed(futures):
            error = future.exception()
            if isinstance(error, KilledWorker):
                yield futures[future], Lost("its worker ended each time it was tried; it may need more memory")
            elif error is not None:
                raise error
            else:
                yield futures[future], future.result()


def connected(address: str) -> Any:
    """A Dask client as a context.

    Raises
    ------
    UnavailableError
        When no scheduler answers.
    """
    from distributed import Client

    try:
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UnavailableError(
            f"No Dask scheduler answers at {address} (HEPABOARD_DASK_SCHEDULER). Start it with `dask scheduler`, or "
            "unset the setting to work with this machine alone."
        ) from error


def hand_over(function: Function, argument: Any, *, key: str, scheduler: str) -> None:
    """Give one call to the cluster and leave it there; a key that is already running is not started twice."""
    from distributed import fire_and_forget

    with connected(scheduler) as client:
        fire_and_forget(client.submit(function, argument, key=key))


def take_back(key: str, *, scheduler: str) -> None:
    """Withdraw a call that has not begun; one that runs notices by itself."""
    from distributed import Future

    with connected(scheduler) as client:
        client.cancel([Future(key, client)], force=True)


def serve_cluster(scheduler: str, *, name: str, threads: int, seconds: float | None = None) -> None:
    """Be a Dask worker until the scheduler closes, this process is told to stop, or `seconds` have passed."""
    import asyncio

    from distributed import Worker

    async def run() -> None:
        async with Worker(scheduler, nthreads=threads, name=name, dashboard=False) as worker:
            try:
                await asyncio.wait_for(worker.finished(), seconds)
            except TimeoutError:
                return

    try:
        asyncio.run(run())
    except (OSError, TimeoutError) as error:
        raise UnavailableError(f"No Dask scheduler answers at {scheduler}. Check the address.") from error
