"""The viewer in a real browser: first image, all phases with masks, a linked step, a window drag, saving, memory.

Beside it the plain way: a Streamlit slider and one Plotly image a phase. Software rendering, so a graphics card only
helps. Medians and 95th percentiles; times from one run stand beside each other.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

PROJECT = Path(__file__).parents[2]
STUDIES = {"MR 320×260×72": ("MR", (320, 260, 72)), "CT 512×512×300": ("CT", (512, 512, 300))}
OPENINGS, STEPS = 5, 80
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]

WATCH = """
window.marks = {};
const mark = (name) => { window.marks[name] ??= performance.now(); };
new MutationObserver(() => {
  const d = document.querySelector('.hb-viewer')?.dataset;
  if (!d) return;
  mark('mounted');
  if (Number(d.shown) >= 1) mark('first');
  if (Number(d.shown) >= 3 && Number(d.ready) >= 3 && Number(d.masks) >= 3) mark('all');
}).observe(document, { subtree: true, childList: true, attributes: true });
"""
# One action a frame, as when a wheel is turned without pause. `drawn`: from the event until the drawing calls are made
# (the viewer draws in the next frame's callback, ahead of ours, so the screen's beat of 16.7 ms is in it). `interval`:
# from frame to frame while this goes on; 16.7 ms is 60 a second, the most a screen shows.
STEP = """async ([what, count]) => {
  const canvas = document.querySelector('.hb-pane canvas');
  const box = canvas.getBoundingClientRect();
  const at = { clientX: box.left + 100, clientY: box.top + 100, bubbles: true, cancelable: true, pointerId: 1 };
  const next = () => new Promise((r) => requestAnimationFrame(() => r(performance.now())));
  const drawn = [], interval = [];
  let before = 0;
  if (what === 'window') {
    canvas.setPointerCapture = () => {};
    canvas.dispatchEvent(new PointerEvent('pointerdown', { ...at, button: 2 }));
  }
  for (let i = 0; i < count; i++) {
    const begun = performance.now();
    if (what === 'step') canvas.dispatchEvent(new WheelEvent('wheel', { ...at, deltaY: i % 40 < 20 ? 100 : -100 }));
    else {
      const moved = { ...at, clientX: at.clientX + (i % 20) * 5, clientY: at.clientY + i };
      canvas.dispatchEvent(new PointerEvent('pointermove', moved));
    }
    const now = await next();
    drawn.push(now - begun);
    if (before) interval.push(now - before);
    before = now;
  }
  if (what === 'window') canvas.dispatchEvent(new PointerEvent('pointerup', at));
  return { drawn, interval };
}"""


def main() -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder) / "home"
        environment = {**os.environ, "HEPABOARD_HOME": str(home), "PYTHONPATH": str(PROJECT)}
        code = f"from tests.bench.viewer import make_studies; make_studies({folder!r})"
        subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environment, check=True)
        with served("app.py", environment) as address:
            for name in STUDIES:
                study(playwright, address, name)
        plain(playwright, environment)


def make_studies(folder: str) -> None:
    """Two studies of three phases with liver and tumour masks; noise as in a real image, so that gzip has work."""
    from core.domain.case import CaseState
    from core.domain.volume import Geometry, Volume
    from core.imaging.nifti import nifti_bytes
    from core.services.cases import set_state
    from core.services.intake import ingest
    from core.services.segment import store_mask
    from core.services.setup import ensure_database

    ensure_database()
    rng = np.random.default_rng(0)
    for modality, size in STUDIES.values():
        spacing = (360 / size[0], 300 / size[1], 220 / size[2])
        geometry = Geometry(size_xyz=size, spacing_mm_xyz=spacing, origin_mm_lps=(-180.0, -150.0, -110.0))
        z, y, x = np.meshgrid(
            *(np.linspace(-1, 1, n, dtype=np.float32) for n in size[::-1]), indexing="ij", sparse=True
        )
        body = (x / 0.9) ** 2 + (y / 0.8) ** 2 < 1
        liver = ((x + 0.3) / 0.4) ** 2 + ((y + 0.1) / 0.5) ** 2 + (z / 0.7) ** 2 < 1
        tumour = ((x + 0.3) / 0.1) ** 2 + (y / 0.12) ** 2 + (z / 0.15) ** 2 < 1
        paths = []
        for n, phase in enumerate(("AP", "PVP", "DP")):
            values = np.where(body, 40 + 30 * liver - 20 * tumour + 10 * n, -900 if modality == "CT" else 0)
            values = (values + rng.normal(0, 12, size[::-1])).astype(np.int16)
            path = Path(folder) / f"{phase}.nii.gz"
            path.write_bytes(nifti_bytes(Volume(array_zyx=values, geometry=geometry)))
            paths.append(f"{phase}={path}")
        ingest(paths, case=modality)
        set_state(modality, CaseState.PHASES_CONFIRMED)
        for label, mask in (("liver", liver | tumour), ("tumour", tumour)):
            volume = Volume(array_zyx=np.ascontiguousarray(mask, np.uint8), geometry=geometry)
            store_mask(modality, volume, label=label, lesion=1, phase="PVP", source="bench", author="bench")


@contextmanager
def served(script: str, environment: dict[str, str]) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
    process = subprocess.Popen(
        [*command, "--server.address", "127.0.0.1", "--server.headless", "true"],
        cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


def study(playwright: Any, address: str, name: str) -> None:
    from tests.browser.conftest import _found, wait_until

    case = STUDIES[name][0]
    times: dict[str, list[float]] = {"first": [], "all": [], "since navigation": []}
    for opening in range(OPENINGS):
        browser = playwright.chromium.launch(executable_path=_found(), args=FLAGS)
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.goto(address)  # the app is open, as when a reader comes from the worklist
        page.get_by_role("heading", name="Worklist").wait_for()
        page.add_init_script(WATCH)
        page.goto(f"{address}/review?case={case}")
        wait_until(page, "Boolean(window.marks?.all)")
        marks = page.evaluate("window.marks")
        times["first"].append(marks["first"] - marks["mounted"])
        times["all"].append(marks["all"] - marks["mounted"])
        times["since navigation"].append(marks["first"])
        if opening < OPENINGS - 1:
            browser.close()
    print(f"\n{name}, three phases, 1280×800 ({OPENINGS} openings, {STEPS} steps)")
    row("first image after the viewer is on the page", times["first"])
    row("three phases with masks", times["all"])
    row("first image after navigation", times["since navigation"])
    page.wait_for_timeout(1000)
    print(f"  {'memory of the page (PSS of its process)':50} {renderer_mb(browser, page):8.0f} MB")
    for what, label in (("step", "linked step, three canvases"), ("window", "window drag, three canvases")):
        found = page.evaluate(STEP, [what, STEPS])
        row(f"{label}: event to drawn", found["drawn"])
        row(f"{label}: from frame to frame", found["interval"])
    row("stroke to stored mask", saved_masks(page))
    browser.close()


def saved_masks(page: Any) -> list[float]:
    """From pressing Save to the stored mask drawn in the drawing's place, on the phase it was drawn on."""
    from tests.browser.conftest import wait_until

    taken = []
    for n in range(3):
        page.get_by_role("button", name="Draw this mask").click()
        box = page.locator(".hb-pane canvas").first.bounding_box()
        page.mouse.move(box["x"] + 100 + 20 * n, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + 130 + 20 * n, box["y"] + 120)
        page.mouse.up()
        started = time.perf_counter()
        page.locator(".hb-save").click()
        wait_until(page, "document.querySelector('.hb-viewer').dataset.drawing === ''")
        taken.append((time.perf_counter() - started) * 1000)
        wait_until(page, "Number(document.querySelector('.hb-viewer').dataset.masks) >= 3")
        page.wait_for_timeout(1500)
    return taken


def renderer_mb(browser: Any, page: Any) -> float:
    """Proportional memory of the page's own process: image arrays live there, not in the script heap."""
    session = browser.new_browser_cdp_session()
    pids = [p["id"] for p in session.send("SystemInfo.getProcessInfo")["processInfo"] if p["type"] == "renderer"]
    sizes = []
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        sizes.append(int(next(line.split()[1] for line in text.splitlines() if line.startswith("Pss:"))) / 1024)
    del page
    return max(sizes)


def row(label: str, milliseconds: list[float]) -> None:
    worst = float(np.percentile(milliseconds, 95))
    print(f"  {label:50} {median(milliseconds):8.1f} ms median {worst:9.1f} ms 95th percentile")


PLAIN = """
import numpy as np, plotly.express as px, streamlit as st
@st.cache_resource
def volumes():
    rng = np.random.default_rng(0)
    return [rng.normal(100, 30, (72, 260, 320)).astype(np.int16) for _ in range(3)]
k = st.slider("Slice", 0, 71, 36)
for column, volume in zip(st.columns(3), volumes()):
    figure = px.imshow(volume[k], color_continuous_scale="gray", title=f"slice {k}")
    column.plotly_chart(figure)
"""


def plain(playwright: Any, environment: dict[str, str]) -> None:
    from tests.browser.conftest import _found

    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "plain.py"
        script.write_text(PLAIN)
        with served(str(script), environment) as address:
            browser = playwright.chromium.launch(executable_path=_found(), args=FLAGS)
            page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            page.goto(address)
            page.get_by_text("slice 36").nth(2).wait_for()
            page.wait_for_timeout(2000)
            page.get_by_role("slider").focus()
            taken = []
            for n in range(1, 16):
                started = time.perf_counter()
                page.keyboard.press("ArrowRight")
                page.get_by_text(f"slice {36 + n}", exact=True).nth(2).wait_for()
                taken.append((time.perf_counter() - started) * 1000)
                page.wait_for_timeout(300)
            browser.close()
    print("\nThe plain way, 320×260×72: Streamlit slider and three Plotly images")
    row("slice step", taken)
