"""Run a module of this project in a process of its own, see whether it lives, and stop it."""

import os
import signal
import subprocess
import sys

from core.config import PROJECT

_children: dict[int, subprocess.Popen[bytes]] = {}


def start(module: str, arguments: list[str]) -> int:
    """Start `python -m module arguments` in its own process group; returns its number."""
    child = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    _children[child.pid] = child
    return child.pid


def is_alive(process: int) -> bool:
    """Whether a process still runs; a finished child of ours is collected."""
    child = _children.get(process)
    if child is not None:
        return child.poll() is None
    import psutil

    try:
        # A killed process stays in the table, as a zombie, until its parent has looked at it.
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def stop(process: int) -> None:
    """End a process with all that it started."""
    try:
        os.killpg(process, signal.SIGTERM)
    except ProcessLookupError:
        return
    child = _children.pop(process, None)
    if child is not None:
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(process, signal.SIGKILL)
            child.wait()
