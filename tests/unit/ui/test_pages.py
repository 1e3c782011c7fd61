"""Every page renders, with and without a case, and carries the research-use notice; links are served as signed."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from core.domain.case import RESEARCH_USE_NOTICE, CaseState
from core.domain.phase import Phase
from core.imaging.nifti import nifti_bytes
from core.services.cases import confirm_phases, show_case
from core.services.intake import ingest
from core.services.segment import segment_from_file
from core.synthetic.render import RenderedCase
from ui.page import PAGES

PROJECT = Path(__file__).parents[3]


def open_page(name: str, case: str | None = None) -> AppTest:
    app = AppTest.from_file(str(PROJECT / "pages" / "main.py"), default_timeout=60)
    if case:
        app.query_params["case"] = case
    app.run()
    if name != "worklist":
        app.switch_page(PAGES[name][0]).run()
    return app


@pytest.fixture
def mr_home(home: Path, tmp_path: Path, mr_case: RenderedCase) -> Path:
    for phase in (Phase.AP, Phase.PVP):
        (tmp_path / f"{phase.value}.nii.gz").write_bytes(nifti_bytes(mr_case.phases[phase]))
    ingest([str(tmp_path / "AP.nii.gz"), str(tmp_path / "PVP.nii.gz")], case="MR")
    (tmp_path / "mask.nii.gz").write_bytes(nifti_bytes(mr_case.tumour))
    return home


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.usefixtures("home")
def test_a_page_without_any_case_leads_on_and_carries_the_notice(page: str) -> None:
    app = open_page(page)
    assert not app.exception
    assert not app.error
    assert any(RESEARCH_USE_NOTICE in c.value for c in app.caption)
    assert app.button or app.selectbox


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.usefixtures("mr_home")
def test_a_page_with_a_case_renders(page: str, tmp_path: Path) -> None:
    confirm_phases("MR", {})
    segment_from_file("MR", tmp_path / "mask.nii.gz", phase="PVP")
    app = open_page(page, "MR")
    assert not app.exception
    assert not app.error, [e.value for e in app.error]


@pytest.mark.usefixtures("mr_home")
def test_a_case_that_does_not_exist_is_a_sentence_not_a_traceback() -> None:
    app = open_page("risk", "NOBODY")
    assert not app.exception
    assert any("no case 'NOBODY'" in e.value for e in app.error)


@pytest.mark.usefixtures("mr_home")
def test_confirming_phases_on_the_intake_page_moves_the_case_on() -> None:
    app = open_page("intake", "MR")
    assert [s.label for s in app.selectbox if s.label.startswith("Series")] == ["Series 1", "Series 2"]
    next(b for b in app.button if b.label.startswith("Confirm")).click().run()
    assert show_case("MR").state is CaseState.PHASES_CONFIRMED


@pytest.mark.usefixtures("home")
def test_scores_are_computed_or_refused_on_the_page() -> None:
    app = open_page("scores")
    app.number_input[0].set_value(17.0)
    next(b for b in app.button if b.label == "Compute").click().run()
    assert "needs Albumin" in app.error[0].value
    app.number_input[0].set_value(17.0)
    app.number_input[1].set_value(40.0)
    next(b for b in app.button if b.label == "Compute").click().run()
    assert [m.value for m in app.metric] == ["-2.588", "grade 2"]


def test_pages_are_short_and_hold_no_formula() -> None:
    for path in (PROJECT / "pages").glob("*.py"):
        assert len(path.read_text().splitlines()) < 40, path.name
    for path in (PROJECT / "ui" / "views").glob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= 150, path.name
        assert "import numpy" not in text, path.name


@pytest.fixture
def client(mr_home: Path) -> TestClient:
    from starlette.applications import Starlette

    from ui.routes import middleware, routes

    return TestClient(Starlette(routes=routes(), middleware=middleware()))


def test_volumes_are_served_to_the_signed_session_only(client: TestClient) -> None:
    from core.services.viewing import BROWSER_COOKIE, viewer_data

    url = viewer_data(show_case("MR"), user="local", browser="mine")["phases"][0]["url"]
    client.cookies.set(BROWSER_COOKIE, "mine")
    answer = client.get(url)
    assert answer.status_code == 200
    assert answer.content[:2] == b"\x1f\x8b"
    assert answer.headers["cache-control"] == "private, no-store"
    assert client.get(url, headers={"Range": "bytes=0-99"}).status_code == 206
    assert client.get(url.replace("/volume/", "/volume/x")).status_code == 403
    client.cookies.set(BROWSER_COOKIE, "other")
    assert client.get(url).status_code == 403
    client.cookies.clear()
    assert client.get(url).status_code == 403


def test_links_end_with_the_case_and_name_no_patient(client: TestClient) -> None:
    from core.services.cases import delete_case
    from core.services.viewing import BROWSER_COOKIE, viewer_data

    url = viewer_data(show_case("MR"), user="local", browser="mine")["phases"][0]["url"]
    client.cookies.set(BROWSER_COOKIE, "mine")
    delete_case("MR")
    assert client.get(url).status_code == 404


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    headers = client.get("/viewer/volume/x/volume.nii.gz").headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_no_code_from_text_and_no_inline_script_but_streamlits_own(client: TestClient) -> None:
    policy = client.get("/viewer/volume/x/volume.nii.gz").headers["content-security-policy"]
    parts = dict(p.strip().split(" ", 1) for p in policy.split(";"))
    assert "unsafe" not in parts["script-src"]
    assert "'sha256-" in parts["script-src"]
    assert parts["connect-src"] == "'self'"
    assert parts["object-src"] == "'none'"


def test_only_the_viewers_own_scripts_are_served(client: TestClient) -> None:
    from ui.routes import app_script

    answer = client.get(app_script())
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    for name in ("nothing.js", "..%2Fcomponent.js", "..%2F..%2Fapp.py", "viewer.html"):
        assert client.get(f"/viewer/app/x/{name}").status_code == 404


def test_a_drawing_is_worked_on_with_its_own_link_only(client: TestClient) -> None:
    from core.services.viewing import BROWSER_COOKIE, viewer_data

    phase = viewer_data(show_case("MR"), user="local", browser="mine")["phases"][0]
    client.cookies.set(BROWSER_COOKIE, "mine")
    draw = phase["operation_url"]
    refused = client.post(draw, json={"operation": "fill_holes", "mask": None})
    assert (refused.status_code, refused.json()["error"]) == (422, "Nothing is drawn yet.")
    assert client.post(draw, content=b"{").status_code == 422
    reading = phase["url"].split("/")[3]
    drawing = draw.split("/")[3]
    assert client.post(f"/viewer/drawing/{reading}", json={}).status_code == 403
    assert client.get(f"/viewer/volume/{drawing}/volume.nii.gz").status_code == 403
    assert client.get(draw).status_code == 405
    client.cookies.set(BROWSER_COOKIE, "other")
    assert client.post(draw, json={"operation": "fill_holes"}).status_code == 403


def test_a_bookmark_of_any_page_begins_a_browser_session(mr_home: Path) -> None:
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse, PlainTextResponse
    from starlette.routing import Route

    from core.services.viewing import BROWSER_COOKIE
    from ui.routes import middleware

    pages = [
        Route("/review", lambda _: HTMLResponse("<p>page</p>")),
        Route("/static.js", lambda _: PlainTextResponse("x")),
    ]
    client = TestClient(Starlette(routes=pages, middleware=middleware()))
    assert "set-cookie" not in client.get("/static.js").headers
    set_cookie = client.get("/review").headers["set-cookie"]
    assert set_cookie.startswith(BROWSER_COOKIE)
    assert "HttpOnly" in set_cookie
    assert "SameSite=Strict" in set_cookie
    assert "set-cookie" not in client.get("/review").headers
