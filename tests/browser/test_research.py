"""The Research page in a real browser: train on the synthetic cohort, read what it found, send it to the registry."""

from playwright.sync_api import Browser, expect

from tests.browser.conftest import SLOW_MS
from tests.browser.steps import in_browser, open_page, shoot

pytestmark = in_browser


def test_a_training_runs_reports_and_reaches_the_registry(browser: Browser, server: str) -> None:
    page = open_page(browser, server)
    page.get_by_role("link", name="Research").click()
    expect(page.get_by_role("heading", name="Research")).to_be_visible()
    page.get_by_label("Bundle version").fill("browser-1")
    page.get_by_label("Bundle version").press("Tab")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    shoot(page, "research-training")
    expect(page.get_by_role("button", name="Send to the registry")).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text("in nested cross-validation").first).to_be_visible()
    expect(page.get_by_text("Labels shuffled: AUC")).to_be_visible()
    shoot(page, "research-result")
    with page.expect_download() as download:
        page.get_by_role("button", name="Report (PDF)").click()
    assert download.value.path().read_bytes().startswith(b"%PDF")
    page.get_by_role("button", name="Send to the registry").click()
    expect(page.get_by_text("version browser-1 is registered as a candidate")).to_be_visible(timeout=SLOW_MS)
    page.context.close()
