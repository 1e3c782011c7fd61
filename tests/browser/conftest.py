"""A served app with the demonstration models, and a real Chromium to drive it."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROJECT = Path(__file__).parents[2]
SCREENSHOTS = PROJECT / "build" / "screenshots"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]
SLOW_MS = 240_000


@pytest.fixture(scope="session")
def served_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of the served app: a home of its own."""
    environment = {**os.environ, "HEPABOARD_HOME": str(tmp_path_factory.mktemp("served") / "home")}
    environment.pop("HEPABOARD_DATABASE_URL", None)
    return environment


@pytest.fixture(scope="session")
def command(server: str, served_environment: dict[str, str]) -> Callable[..., Any]:
    """Run a verb of the command line in the served app's home; returns what it prints."""
    del server

    def run(*arguments: str) -> Any:
        call = [sys.executable, "-m", "core", *arguments, "--json"]
        done = subprocess.run(call, cwd=PROJECT, env=served_environment, check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def server(served_environment: dict[str, str]) -> Iterator[str]:
    """The address of the app with two analysed demonstration cases and two without a mask."""
    environment = served_environment
    home = Path(environment["HEPABOARD_HOME"])
    subprocess.run(
        [sys.executable, "-m", "core", "demo", "--cases", "4"], cwd=PROJECT, env=environment, check=True,
        capture_output=True,
    )  # fmt: skip
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (home / "server.log").open("w")
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    process = subprocess.Popen(
        [*command, "--server.address", "127.0.0.1"], cwd=PROJECT, env=environment, stdout=log, stderr=log
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/_stcore/health", process)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert process.poll() is None, "the app stopped while starting"
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the app did not answer within 30 seconds")


@pytest.fixture(scope="session")
def browser():  # type: ignore[no-untyped-def]
    """A Chromium, or a skip that says that browser tests were not run."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        path = os.environ.get("HEPABOARD_TEST_CHROMIUM") or _found()
        try:
            made = playwright.chromium.launch(executable_path=path or None, args=CHROMIUM_FLAGS)
        except Error:
            pytest.skip("not run: no Chromium could be started (HEPABOARD_TEST_CHROMIUM names one)")
        yield made
        made.close()


def _found() -> str | None:
    from shutil import which

    return which("chromium") or which("chromium-browser") or which("google-chrome")


def wait_until(page: "Page", expression: str, *, timeout_ms: float = SLOW_MS) -> None:
    """Wait until a JavaScript expression is true. Playwright's own way needs eval, which the app's policy forbids."""
    end = time.monotonic() + timeout_ms / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"not true in time: {expression}"
        page.wait_for_timeout(25)


def zipped(folder: Path, out: Path) -> Path:
    """All files of a folder as an uncompressed zip."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as held:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                held.writestr(path.name, path.read_bytes())
    return out
