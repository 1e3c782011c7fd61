"""From a real patient's DICOM files to the tumour board, in a real browser; screenshots go to build/screenshots."""

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SLOW_MS, zipped
from tests.browser.steps import (
    at,
    choose,
    click_in,
    import_mask,
    in_browser,
    labels_shown,
    open_import,
    open_page,
    position,
    shoot,
    take_in,
    tool,
    wait_for_viewer,
)

pytestmark = in_browser


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
    expect(pane).not_to_have_attribute("data-slice", str(before))
    shoot(page, "03-review-scrolled")

    # The volumes that the data's own description states.
    import_mask(
        page, zipped(ircad / "MASKS_DICOM" / "livertumor1", tmp_path / "t1.zip"), "Tumour 1: 85.64 mL imported."
    )
    page.locator('.hb-viewer[data-masks="1"]').wait_for(timeout=SLOW_MS)
    first = labels_shown(page)
    open_import(page)
    choose(page, "Lesion", "2")
    import_mask(
        page, zipped(ircad / "MASKS_DICOM" / "livertumor2", tmp_path / "t2.zip"), "Tumour 2: 78.64 mL imported."
    )
    expect(page.locator(".hb-viewer")).not_to_have_attribute("data-labels", first, timeout=SLOW_MS)
    page.keyboard.press("Escape")
    page.wait_for_timeout(1500)
    shoot(page, "04-review-masks")

    page.get_by_role("button", name="Analyse", exact=True).click()
    expect(page.get_by_role("button", name="See the risk")).to_be_visible(timeout=SLOW_MS)
    page.get_by_role("button", name="See the risk").click()
    expect(page.get_by_role("heading", name="Risk", exact=True)).to_be_visible()
    expect(page.get_by_text("Outside the population this model was trained on.")).to_be_visible()
    expect(page.get_by_text("The model reads MR; this case is CT.")).to_be_visible()
    expect(page.get_by_text("Total points").first).to_be_visible()
    expect(page.locator(".js-plotly-plot").get_by_text("Probability of proliferative HCC")).to_be_visible(
        timeout=SLOW_MS
    )
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
    page.get_by_role("button", name="Draw this mask").click()
    target = (-14.8, 0.0, -251.0)
    move_crosshair(page, target)
    tool(page, "Grow")
    page.mouse.click(*seen_at(page, target))
    expect(page.locator(".hb-drawn")).to_contain_text("mL grown", timeout=SLOW_MS)
    page.get_by_role("button", name="Save mask").click()
    expect(page.get_by_text(re.compile(r"Lesion 1: \d+\.\d mL saved on PVP"))).to_be_visible(timeout=SLOW_MS)
    page.locator('.hb-viewer[data-masks="1"]').wait_for(timeout=SLOW_MS)
    shoot(page, "08-review-grown")
    page.context.close()


def move_crosshair(page: Page, target_lps: tuple[float, float, float]) -> None:
    """Step through slices with the arrow keys until the slice of a point is shown."""
    tool(page, "Crosshair")
    click_in(page, 0.5, 0.5)
    for _ in range(200):
        gap = target_lps[2] - position(page)[2]
        if abs(gap) <= 1.3:
            return
        page.keyboard.press("ArrowUp" if gap > 0 else "ArrowDown")
        page.wait_for_timeout(30)
    raise AssertionError("the slice was not reached")


def seen_at(page: Page, target_lps: tuple[float, float, float]) -> tuple[float, float]:
    """Where a point of the shown slice is on the screen: two clicks tell how pixels become millimetres."""
    tool(page, "Crosshair")
    found = []
    for fx, fy in ((0.45, 0.4), (0.55, 0.6)):
        click_in(page, fx, fy)
        page.wait_for_timeout(100)
        found.append(position(page))
    (ax, ay, _), (bx, by, _) = found
    tool(page, "Grow")
    return at(page, 0.45 + (target_lps[0] - ax) / (bx - ax) * 0.1, 0.4 + (target_lps[1] - ay) / (by - ay) * 0.2)
