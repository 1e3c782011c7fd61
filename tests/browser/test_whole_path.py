"""From a real patient's DICOM files to the tumour board, in a real browser; screenshots go to build/screenshots."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SCREENSHOTS, SLOW_MS, zipped

pytestmark = [
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
    body = page.locator('[data-testid="stPopoverBody"]')
    if not body.is_visible():
        page.get_by_role("button", name="Import a mask").click()
    page.locator('[data-testid="stPopoverBody"] input[type="file"]').set_input_files(archive)
    page.get_by_role("button", name="Import", exact=True).click(timeout=SLOW_MS)
    expect(page.get_by_text(says)).to_be_visible(timeout=SLOW_MS)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=re.compile(label)).click()
    page.get_by_role("option", name=option, exact=True).click()


def overlay_of(page: Page) -> str:
    return page.locator(".hb-viewer").get_attribute("data-overlays") or ""


def test_a_real_ct_goes_from_dicom_to_the_tumour_board(
    server: str, browser: Browser, ircad: Path, tmp_path: Path
) -> None:
    page = open_page(browser, server)
    shoot(page, "01-worklist")
    take_in(page, zipped(ircad / "PATIENT_DICOM", tmp_path / "study.zip"), "REAL-17")
    expect(page.get_by_text("typical of the portal venous phase")).to_be_visible()
    shoot(page, "02-intake")
    page.get_by_label("AFP (ng/mL)").fill("45")
    page.get_by_role("button", name="Save clinical values").click()
    expect(page.get_by_text("Clinical values saved.")).to_be_visible()
    page.get_by_role("button", name="Confirm and open the viewer").click()
    expect(page.get_by_role("heading", name="Review")).to_be_visible()

    wait_for_viewer(page, 1)
    pane = page.locator(".hb-pane").first
    before = int(pane.get_attribute("data-slice") or 0)
    pane.locator("canvas").hover()
    page.mouse.wheel(0, -200)
    page.wait_for_function(f"document.querySelector('.hb-pane').dataset.slice != '{before}'")
    shoot(page, "03-review-scrolled")

    # The volumes that the data's own description states.
    import_mask(
        page, zipped(ircad / "MASKS_DICOM" / "livertumor1", tmp_path / "t1.zip"), "Tumour 1: 85.64 mL imported."
    )
    page.wait_for_function("!document.querySelector('.hb-viewer').dataset.overlays.includes('none')", timeout=SLOW_MS)
    first_overlay = overlay_of(page)
    choose(page, "Lesion", "2")
    import_mask(
        page, zipped(ircad / "MASKS_DICOM" / "livertumor2", tmp_path / "t2.zip"), "Tumour 2: 78.64 mL imported."
    )
    page.wait_for_function(
        f"document.querySelector('.hb-viewer').dataset.overlays != '{first_overlay}'", timeout=SLOW_MS
    )
    page.wait_for_timeout(1500)
    shoot(page, "04-review-masks")

    page.get_by_role("button", name="Analyse", exact=True).click()
    expect(page.get_by_role("button", name="See the risk")).to_be_visible(timeout=SLOW_MS)
    page.get_by_role("button", name="See the risk").click()
    expect(page.get_by_role("heading", name="Risk", exact=True)).to_be_visible()
    expect(page.get_by_text("Outside the population this model was trained on.")).to_be_visible()
    expect(page.get_by_text("The model reads MR; this case is CT.")).to_be_visible()
    expect(page.get_by_text("Total points").first).to_be_visible()
    expect(page.locator(".js-plotly-plot").get_by_text("Probability of proliferative HCC")).to_be_visible()
    page.set_viewport_size({"width": 1280, "height": 1500})
    shoot(page, "05-risk")
    page.get_by_text("Show where the network looked").click()
    expect(page.get_by_text("Grad-CAM of resnet34_2_5d").first).to_be_visible(timeout=SLOW_MS)
    page.get_by_text("Grad-CAM of resnet34_2_5d").first.scroll_into_view_if_needed()
    shoot(page, "05-risk-attention")

    page.set_viewport_size({"width": 1280, "height": 1100})
    page.get_by_role("link", name="Cohort").click()
    expect(page.get_by_text("this patient's group")).to_be_visible()
    expect(page.get_by_text("Hazard ratio high against low")).to_be_visible()
    shoot(page, "06-cohort")

    page.get_by_role("button", name="Continue to the tumour board").click()
    expect(page.get_by_role("heading", name="Tumour board")).to_be_visible()
    expect(page.get_by_text("R on the left").first).to_be_visible(timeout=SLOW_MS)
    page.set_viewport_size({"width": 1280, "height": 1900})
    shoot(page, "07-board")
    page.get_by_label("Decision in the board's words").fill("Discuss resection of both lesions.")
    page.get_by_role("button", name="Record the decision").click()
    expect(page.get_by_text("Decision recorded.")).to_be_visible()
    expect(page.get_by_text("local: Discuss resection of both lesions.")).to_be_visible()
    # The page is drawn from the top; the export button is made anew at its very end.
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    page.wait_for_timeout(2000)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as CSV").click()
    assert "Research use only" in Path(download.value.path()).read_text()
    page.context.close()


def test_a_region_grows_from_a_seed_on_the_other_real_ct(
    server: str, browser: Browser, hcc_dicom: Path, tmp_path: Path
) -> None:
    page = open_page(browser, server)
    dicom = tmp_path / "dicom"
    dicom.mkdir()
    for path in hcc_dicom.rglob("*.dcm"):
        (dicom / path.name).symlink_to(path)
    take_in(page, zipped(dicom, tmp_path / "study.zip"), "REAL-48")
    expect(page.get_by_text("names no single phase; the image decides")).to_be_visible()
    page.get_by_role("button", name="Confirm and open the viewer").click()
    wait_for_viewer(page, 1)
    # A hypoattenuating area; which structure it is does not matter for the tool.
    move_crosshair(page, (-14.8, 0.0, -251.0))
    page.get_by_role("button", name="Grow from crosshair").click()
    expect(page.get_by_text(re.compile(r"Lesion 1: \d+\.\d mL grown on PVP"))).to_be_visible(timeout=SLOW_MS)
    page.wait_for_function("!document.querySelector('.hb-viewer').dataset.overlays.includes('none')", timeout=SLOW_MS)
    shoot(page, "08-review-grown")
    page.context.close()


def move_crosshair(page: Page, target_lps: tuple[float, float, float]) -> None:
    """Step through slices with the arrow keys, then click: two clicks tell how pixels become millimetres."""
    canvas = page.locator(".hb-pane canvas").first

    def click(fx: float, fy: float) -> list[float]:
        box = canvas.bounding_box()
        assert box
        page.mouse.click(box["x"] + fx * box["width"], box["y"] + fy * box["height"])
        page.wait_for_timeout(400)
        return position(page)

    a, b = click(0.45, 0.4), click(0.55, 0.6)
    fx = 0.45 + (target_lps[0] - a[0]) / (b[0] - a[0]) * 0.1
    fy = 0.4 + (target_lps[1] - a[1]) / (b[1] - a[1]) * 0.2
    at = click(fx, fy)
    canvas.focus()
    for _ in range(200):
        gap = target_lps[2] - at[2]
        if abs(gap) <= 1.3:
            break
        page.keyboard.press("ArrowUp" if gap > 0 else "ArrowDown")
        page.wait_for_timeout(60)
        at = position(page)
    assert max(abs(x - y) for x, y in zip(at, target_lps, strict=True)) < 2.0


def position(page: Page) -> list[float]:
    return [float(v) for v in (page.locator(".hb-viewer").get_attribute("data-position") or "").split(",")]


def test_four_phases_share_one_crosshair_and_a_rerun_loads_nothing_again(server: str, browser: Browser) -> None:
    page = open_page(browser, server, scheme="dark", size=(1920, 1080))
    requests: list[str] = []
    page.on("request", lambda r: requests.append(r.url) if "/viewer/volume/" in r.url else None)
    page.goto(f"{server}/review?case=DEMO-MR-02")
    wait_for_viewer(page, 4)
    canvases = page.locator(".hb-pane canvas")
    canvases.nth(2).hover()
    page.mouse.wheel(0, 300)
    page.wait_for_timeout(1500)
    assert len({p.get_attribute("data-slice") for p in page.locator(".hb-pane").all()}) == 1
    loaded = len(requests)
    choose(page, "Lesion", "2")  # a widget outside the viewer: the script runs again
    page.wait_for_timeout(3000)
    assert len(requests) == loaded
    assert page.locator('.hb-viewer[data-ready="4"]').count() == 1
    page.locator(".hb-presets").select_option(label="Liver contrast")
    page.wait_for_function("document.querySelector('.hb-viewer').dataset.window === 'liver'")
    page.wait_for_timeout(6000)
    shoot(page, "09-review-mr-dark")
    page.goto(f"{server}/risk?case=DEMO-MR-02")
    expect(page.get_by_text("Synthetic demonstration data")).to_be_visible()
    expect(page.locator(".js-plotly-plot").get_by_text("PVP radiomics signature (log odds)")).to_be_visible()
    shoot(page, "10-risk-dark")
    page.goto(f"{server}/board?case=DEMO-MR-02")
    expect(page.get_by_text("R on the left").first).to_be_visible(timeout=SLOW_MS)
    shoot(page, "11-board-dark")
    page.context.close()


def test_a_copied_volume_link_is_refused_in_another_browser_session(server: str, browser: Browser) -> None:
    page = open_page(browser, server)
    with page.expect_request(lambda r: "/viewer/volume/" in r.url, timeout=SLOW_MS) as seen:
        page.goto(f"{server}/review?case=DEMO-CT-01")
    url = seen.value.url
    assert page.context.request.get(url).status == 200
    stranger = browser.new_context()
    assert stranger.request.get(url).status == 403
    assert "DEMO" not in url
    stranger.close()
    page.context.close()
