"""What a user does in the browser, shared by the browser tests; screenshots go to build/screenshots."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SCREENSHOTS, SLOW_MS

in_browser = [
    pytest.mark.browser,
    # Playwright's sync API leaves its event loop's sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def open_page(browser: Browser, address: str, *, scheme: str = "light", size: tuple[int, int] = (1280, 800)) -> Page:
    context = browser.new_context(color_scheme=scheme, viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(address)
    expect(page.get_by_role("heading", name="Worklist")).to_be_visible()
    return page


def shoot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(800)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def wait_for_viewer(page: Page, panes: int) -> None:
    page.locator(f'.hb-viewer[data-ready="{panes}"]').wait_for(timeout=SLOW_MS)


def take_in(page: Page, archive: Path, name: str) -> None:
    page.get_by_role("button", name="Take in a new study").click()
    expect(page.get_by_role("heading", name="Intake")).to_be_visible()
    page.locator('input[type="file"]').first.set_input_files(archive)
    page.get_by_label("Case name").fill(name)
    page.get_by_label("Case name").press("Tab")
    page.get_by_role("button", name="Take in", exact=True).click(timeout=SLOW_MS)
    expect(page.get_by_text(f"Taken in as {name}")).to_be_visible(timeout=SLOW_MS)


def import_mask(page: Page, archive: Path, says: str) -> None:
    open_import(page)
    page.locator('[data-testid="stPopoverBody"] input[type="file"]').set_input_files(archive)
    page.get_by_role("button", name="Import", exact=True).click(timeout=SLOW_MS)
    expect(page.get_by_text(says)).to_be_visible(timeout=SLOW_MS)


def open_import(page: Page) -> None:
    if not page.locator('[data-testid="stPopoverBody"]').is_visible():
        page.get_by_role("button", name="Import a mask").click()


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=re.compile(label)).click()
    page.get_by_role("option", name=option, exact=True).click()


def position(page: Page) -> list[float]:
    """The crosshair in mm (LPS), as the viewer says it."""
    return [float(v) for v in (page.locator(".hb-viewer").get_attribute("data-position") or "").split(",")]


def labels_shown(page: Page) -> str:
    return page.locator(".hb-viewer").get_attribute("data-labels") or ""


def click_in(page: Page, fx: float, fy: float, *, pane: int = 0) -> None:
    """Click at a place of a pane's canvas, in fractions of its size."""
    page.mouse.click(*at(page, fx, fy, pane=pane))


def at(page: Page, fx: float, fy: float, *, pane: int = 0) -> tuple[float, float]:
    box = page.locator(".hb-pane canvas").nth(pane).bounding_box()
    assert box
    return box["x"] + fx * box["width"], box["y"] + fy * box["height"]


def drag(page: Page, *points: tuple[float, float], button: str = "left", pane: int = 0) -> None:
    page.mouse.move(*at(page, *points[0], pane=pane))
    page.mouse.down(button=button)
    for point in points[1:]:
        page.mouse.move(*at(page, *point, pane=pane), steps=6)
    page.mouse.up(button=button)


def tool(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def lay_out(page: Page, name: str) -> None:
    page.locator(f'.hb-layouts [data-layout="{name}"]').click()
