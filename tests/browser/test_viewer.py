"""The viewer in a real Chromium: orientation against ITK, linking, reading tools against numpy, layouts, access."""

import io
import re
from collections.abc import Callable, Iterator
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from playwright.sync_api import Browser, Page, expect

from core.domain.volume import Geometry, Volume
from core.imaging.nifti import nifti_bytes
from core.services.drawing import pack_drawing, unpack_drawing
from tests.browser.conftest import SLOW_MS, wait_until
from tests.browser.steps import (
    at,
    choose,
    click_in,
    drag,
    in_browser,
    lay_out,
    open_import,
    open_page,
    position,
    shoot,
    tool,
    wait_for_viewer,
)

pytestmark = in_browser
SIZE_XYZ = (7, 5, 4)
SPACING = (0.8, 1.1, 2.5)
OBLIQUE = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.15, 0.25).GetMatrix()
SIGNED_PERMUTATIONS = [
    tuple(float(v) for v in (np.eye(3)[list(order)] * signs).ravel())
    for order in permutations(range(3))
    for signs in product((1, -1), repeat=3)
]


def grid(direction: tuple[float, ...]) -> Geometry:
    return Geometry(size_xyz=SIZE_XYZ, spacing_mm_xyz=SPACING, origin_mm_lps=(11.0, -7.0, 3.0), direction=direction)


def as_script(geometry: Geometry) -> dict[str, Any]:
    return {
        "size": geometry.size_xyz,
        "spacing": geometry.spacing_mm_xyz,
        "origin": geometry.origin_mm_lps,
        "direction": geometry.direction,
    }


@pytest.fixture(scope="module")
def scripts(server: str, browser: Browser) -> Page:
    """A page of the app whose scripts can import the viewer's own modules."""
    return open_page(browser, server)


def script_folder() -> str:
    from ui.routes import app_script

    return app_script().rpartition("/")[0]


EXTRACT = """async ([folder, given, values]) => {
  const { Grid, Volume } = await import(`${folder}/volume.js`);
  const { Plane } = await import(`${folder}/planes.js`);
  const volume = new Volume(new Grid(given));
  volume.take(0, Int16Array.from(values));
  const found = {};
  for (const view of ['axial', 'coronal', 'sagittal']) {
    const plane = new Plane(volume.grid, view);
    const slices = [];
    for (let n = 0; n < plane.depth; n++) slices.push([...plane.extract((k) => volume.slices[k], n, Int16Array)]);
    const index = plane.toIndex(1, 2, 0);
    found[view] = { width: plane.width, height: plane.height, slices, w: plane.w, letters: plane.letters(),
      back: plane.fromIndex(index), mm: volume.grid.toMm(index) };
  }
  return found;
}"""


@pytest.mark.parametrize("direction", SIGNED_PERMUTATIONS)
def test_planes_show_what_itk_reorients_to(scripts: Page, direction: tuple[float, ...]) -> None:
    """ITK brings the volume to LPS; then axial rows run to the back and columns to the left of the patient."""
    geometry = grid(direction)
    array = np.arange(np.prod(SIZE_XYZ), dtype=np.int16).reshape(SIZE_XYZ[::-1])
    image = sitk.GetImageFromArray(array)
    image.SetDirection(direction)
    lps = sitk.GetArrayFromImage(sitk.DICOMOrient(image, "LPS"))
    found = scripts.evaluate(EXTRACT, [script_folder(), as_script(geometry), array.ravel().tolist()])
    expected = {
        "axial": [lps[k] for k in range(lps.shape[0])],
        "coronal": [lps[::-1, j] for j in range(lps.shape[1])],
        "sagittal": [lps[::-1, :, i] for i in range(lps.shape[2])],
    }
    normal = {"axial": 2, "coronal": 1, "sagittal": 0}
    for view, slices in expected.items():
        shown = found[view]
        made = [np.array(s).reshape(shown["height"], shown["width"]) for s in shown["slices"]]
        # Slices are counted along the grid's own axis, which may run against the patient's.
        along = np.asarray(direction).reshape(3, 3)[normal[view], shown["w"]]
        for ours, theirs in zip(made if along > 0 else made[::-1], slices, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert shown["back"] == [1, 2, 0]
        index = geometry.to_index_xyz(np.array(shown["mm"]))
        np.testing.assert_allclose(index, np.round(index), atol=1e-9)
    assert found["axial"]["letters"] == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    assert found["coronal"]["letters"] == {"left": "R", "right": "L", "top": "S", "bottom": "I"}
    assert found["sagittal"]["letters"] == {"left": "A", "right": "P", "top": "S", "bottom": "I"}


def test_oblique_planes_say_so(scripts: Page) -> None:
    tilted = tuple(sitk.Euler3DTransform((0, 0, 0), 0.5, 0.0, 0.4).GetMatrix())
    found = scripts.evaluate(EXTRACT, [script_folder(), as_script(grid(tilted)), [0] * int(np.prod(SIZE_XYZ))])
    assert found["axial"]["letters"]["right"] == "LP"
    assert found["axial"]["letters"]["bottom"][0] == "P"
    assert len(found["axial"]["letters"]["bottom"]) > 1


DRAW = """async ([folder, given, points, back]) => {
  const { Grid } = await import(`${folder}/volume.js`);
  const { Drawing } = await import(`${folder}/labels.js`);
  const grid = new Grid(given);
  const drawing = new Drawing(grid);
  drawing.begin();
  for (const mm of points) drawing.set(...grid.toIndex(mm).map(Math.round), true);
  drawing.end();
  const made = await drawing.packed();
  drawing.undo();
  const undone = drawing.voxels;
  drawing.redo();
  const read = await Drawing.unpacked(grid, back);
  return { made, undone, voxels: drawing.voxels, again: await read.packed() };
}"""


@pytest.mark.parametrize("direction", [*SIGNED_PERMUTATIONS[::5], tuple(OBLIQUE), tuple(-v for v in OBLIQUE)])
def test_a_drawing_arrives_voxel_by_voxel_in_odd_geometries(scripts: Page, direction: tuple[float, ...]) -> None:
    geometry = grid(direction)
    array = np.zeros(SIZE_XYZ[::-1], np.uint8)
    array[1, 1:4, 1] = array[1, 3, 1:5] = array[2, 1, 1] = array[3, 0, 6] = 1  # has no symmetry
    mask = Volume(array_zyx=array, geometry=geometry)
    points = [geometry.to_mm_lps(index[::-1]).tolist() for index in np.argwhere(array)]
    packed = pack_drawing(mask)
    found = scripts.evaluate(DRAW, [script_folder(), as_script(geometry), points, packed])
    np.testing.assert_array_equal(unpack_drawing(found["made"], geometry).array_zyx, array)
    np.testing.assert_array_equal(unpack_drawing(found["again"], geometry).array_zyx, array)
    assert (found["undone"], found["voxels"]) == (0, array.sum())


@pytest.fixture(scope="module")
def odd_case(
    server: str, browser: Browser, command: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Volume]:
    """Case ODD: two phases of one scene, one oblique with flipped axes, one on a plain grid elsewhere and coarser."""
    folder = tmp_path_factory.mktemp("odd")
    flipped = (np.asarray(OBLIQUE).reshape(3, 3) @ np.diag([-1.0, 1.0, -1.0])).ravel()
    first = Geometry(
        size_xyz=(120, 90, 30), spacing_mm_xyz=(1.0, 1.3, 4.0), origin_mm_lps=(70.0, -60.0, 55.0),
        direction=tuple(float(v) for v in flipped),
    )  # fmt: skip
    second = Geometry(size_xyz=(80, 70, 26), spacing_mm_xyz=(1.7, 1.7, 5.0), origin_mm_lps=(-68.0, -60.0, -62.0))
    made = {}
    for phase, geometry in (("AP", first), ("PVP", second)):
        made[phase] = Volume(array_zyx=scene(geometry), geometry=geometry)
        (folder / f"{phase}.nii.gz").write_bytes(nifti_bytes(made[phase]))
    command("ingest", str(folder), "--case", "ODD")
    page = open_page(browser, server)
    page.goto(f"{server}/intake?case=ODD")
    page.get_by_role("button", name="Confirm and open the viewer").click()
    wait_for_viewer(page, 2)
    page.context.close()
    return made


def scene(geometry: Geometry) -> np.ndarray:
    """HU that depend on the place in the patient only: a gradient, and a ball at (10, -5, 0) mm."""
    index = np.indices(geometry.size_xyz[::-1])[::-1].reshape(3, -1)
    matrix = np.asarray(geometry.direction).reshape(3, 3) * np.asarray(geometry.spacing_mm_xyz)
    x, y, z = (np.asarray(geometry.origin_mm_lps)[:, None] + matrix @ index).reshape(3, *geometry.size_xyz[::-1])
    ball = (x - 10) ** 2 + (y + 5) ** 2 + z**2 < 18**2
    return np.where(ball, 150, x - 2 * y - 400).astype(np.int16)


@pytest.fixture
def odd(server: str, browser: Browser, odd_case: dict[str, Volume]) -> Iterator[Page]:
    del odd_case
    page = open_page(browser, server)
    page.goto(f"{server}/review?case=ODD")
    wait_for_viewer(page, 2)
    yield page
    page.context.close()


def test_a_shape_drawn_on_an_oblique_flipped_image_is_stored_where_it_was_drawn(
    odd: Page, odd_case: dict[str, Volume], command: Callable[..., Any], served_environment: dict[str, str]
) -> None:
    page = odd
    lay_out(page, "one")
    page.locator(".hb-phase").select_option(index=0)
    page.wait_for_timeout(300)
    corners = [(0.35, 0.35), (0.6, 0.35), (0.6, 0.45), (0.45, 0.45), (0.45, 0.65), (0.35, 0.65)]  # an L
    seen = []
    for corner in corners:
        click_in(page, *corner)
        page.wait_for_timeout(80)
        seen.append(position(page))
    page.locator(".hb-target").select_option("tumour:1")
    page.get_by_role("button", name="Draw this mask").click()
    tool(page, "Filled pen")
    drag(page, *corners, corners[0])
    page.get_by_label("Reader", exact=True).fill("Reader two")
    page.get_by_role("button", name="Save mask").click()
    page.locator('.hb-viewer[data-masks="2"]').wait_for(timeout=SLOW_MS)
    stored = command("cases", "show", "ODD")["masks"][0]
    assert (stored["author"], stored["phase"]) == ("Reader two", "AP")

    from core.imaging.nifti import read_nifti_bytes

    sha256 = stored["sha256"]
    file = Path(served_environment["HEPABOARD_HOME"]) / "files" / sha256[:2] / sha256
    mask = read_nifti_bytes(file.read_bytes())
    geometry = odd_case["AP"].geometry
    assert mask.geometry.matches(geometry, tolerance_mm=1e-3)
    polygon = np.array([geometry.to_index_xyz(np.array(p)) for p in seen])
    slices = np.unique(np.argwhere(mask.array_zyx)[:, 0])
    assert slices.tolist() == [round(polygon[0, 2])]
    from skimage.measure import grid_points_in_poly

    expected = grid_points_in_poly(mask.array_zyx.shape[1:], polygon[:, 1::-1])
    drawn = mask.array_zyx[slices[0]] > 0
    assert 2 * (drawn & expected).sum() / (drawn.sum() + expected.sum()) > 0.97


def test_phases_on_other_grids_stay_at_the_same_place_and_say_they_are_not_registered(
    odd: Page, odd_case: dict[str, Volume]
) -> None:
    page = odd
    lay_out(page, "two")
    badge = page.locator(".hb-pane").nth(1).locator(".hb-badge")
    expect(badge).to_be_visible()
    expect(badge).to_contain_text("not registered")
    expect(page.locator(".hb-pane").nth(0).locator(".hb-badge")).to_be_hidden()
    page.locator(".hb-pane canvas").first.hover()
    for wheel in (-100, -100, 100, -100):
        page.mouse.wheel(0, wheel)
        page.wait_for_timeout(80)
        point = np.array(position(page))
        for pane, phase in ((0, "AP"), (1, "PVP")):
            expected = round(float(odd_case[phase].geometry.to_index_xyz(point)[2])) + 1
            assert page.locator(".hb-pane").nth(pane).get_attribute("data-slice") == str(expected)

    # Unlinked, the second phase stays; linked again, the difference becomes its offset.
    second = page.locator(".hb-pane").nth(1)
    second.get_by_role("button", name="Linked").click()
    before = int(second.get_attribute("data-slice") or 0)
    page.locator(".hb-pane canvas").nth(1).hover()
    page.mouse.wheel(0, -100)
    page.wait_for_timeout(80)
    page.mouse.wheel(0, -100)
    page.wait_for_timeout(80)
    assert int(second.get_attribute("data-slice") or 0) == before + 2
    second.get_by_role("button", name="Unlinked").click()
    expect(badge).to_contain_text(re.compile(r"moved 0 0 ([89]|1[0-2]) mm"))  # two slices of 5 mm
    assert int(second.get_attribute("data-slice") or 0) == before + 2
    shoot(page, "12-review-not-registered")
    page.get_by_role("button", name="Reset view").click()
    expect(badge).not_to_contain_text("moved")


def test_measurements_are_those_of_the_voxels(odd: Page, odd_case: dict[str, Volume]) -> None:
    page = odd
    lay_out(page, "one")
    page.locator(".hb-phase").select_option(index=1)
    page.wait_for_timeout(200)
    places = [(0.42, 0.4), (0.58, 0.62), (0.42, 0.62)]
    seen = []
    for place in places:
        click_in(page, *place)
        page.wait_for_timeout(80)
        seen.append(np.array(position(page)))
    listed = page.locator(".hb-list li")

    tool(page, "Length")
    drag(page, places[0], places[1])
    length = float(re.search(r"([\d.]+) mm", listed.nth(0).inner_text())[1])  # type: ignore[index]
    assert length == pytest.approx(np.linalg.norm(seen[0] - seen[1]), abs=0.15)

    page.get_by_role("button", name="Remove all").click()  # else the first click would take hold of an end
    tool(page, "Angle")
    for place in (places[0], places[2], places[1]):
        click_in(page, *place)
    angle = float(re.search(r"([\d.]+)°", listed.nth(0).inner_text())[1])  # type: ignore[index]
    u, v = seen[0] - seen[2], seen[1] - seen[2]
    assert angle == pytest.approx(np.degrees(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v))), abs=0.3)

    page.get_by_role("button", name="Remove all").click()
    tool(page, "Ellipse")
    drag(page, places[0], places[1])
    mean, sd, low, high, area = (
        float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", listed.nth(0).inner_text().partition(":")[2])[:5]
    )
    image = odd_case["PVP"]
    a, b = (image.geometry.to_index_xyz(p) for p in seen[:2])
    centre, radius = (a + b)[:2] / 2, np.abs(a - b)[:2] / 2
    y, x = np.indices(image.array_zyx.shape[1:])
    inside = ((x - centre[0]) / radius[0]) ** 2 + ((y - centre[1]) / radius[1]) ** 2 <= 1
    values = image.array_zyx[round(a[2])][inside]
    assert mean == pytest.approx(values.mean(), abs=1.0)
    assert sd == pytest.approx(values.std(ddof=1), rel=0.02)
    assert (low, high) == (values.min(), values.max())
    assert area == pytest.approx(inside.sum() * 1.7**2 / 100, rel=0.02)

    page.get_by_role("button", name="Remove all").click()
    tool(page, "Axes")
    drag(page, places[0], places[1])
    long, short = (float(n) for n in re.findall(r"[\d.]+", listed.nth(0).inner_text().partition(":")[2])[:2])
    assert long == pytest.approx(np.linalg.norm(seen[0] - seen[1]), abs=0.15)
    assert short == pytest.approx(long / 2, rel=0.01)


def test_window_zoom_and_value_follow_the_hand_and_keys(odd: Page, odd_case: dict[str, Volume]) -> None:
    page = odd
    lay_out(page, "one")
    page.locator(".hb-phase").select_option(index=1)
    canvas = page.locator(".hb-pane canvas").first
    click_in(page, 0.5, 0.5)
    page.keyboard.press("2")
    expect(page.locator(".hb-wl")).to_have_text("W 150 L 100")
    drag(page, (0.4, 0.5), (0.5, 0.5), button="right")
    width = int(re.search(r"W (\d+)", page.locator(".hb-wl").inner_text())[1])  # type: ignore[index]
    assert width > 200
    page.keyboard.press("1")
    expect(page.locator(".hb-wl")).to_have_text("W 400 L 40")

    shown = int(re.search(r"· (-?\d+) HU", page.locator(".hb-info").inner_text())[1])  # type: ignore[index]
    index = np.round(odd_case["PVP"].geometry.to_index_xyz(np.array(position(page)))).astype(int)
    assert shown == odd_case["PVP"].array_zyx[tuple(index[::-1])]

    before = position(page)
    page.keyboard.press("+")
    page.keyboard.press("+")
    click_in(page, 0.6, 0.5)
    page.wait_for_timeout(80)
    zoomed = abs(position(page)[0] - before[0])
    page.keyboard.press("0")
    click_in(page, 0.6, 0.5)
    page.wait_for_timeout(80)
    assert abs(position(page)[0] - before[0]) == pytest.approx(zoomed * 1.44, rel=0.05)
    canvas.focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    shoot(page, "13-review-keys")
    page.get_by_role("button", name="Close").click()
    phase = page.locator(".hb-phase")
    chosen = phase.input_value()
    canvas.focus()
    page.keyboard.press(" ")
    assert phase.input_value() != chosen


@pytest.mark.parametrize(
    ("case", "scheme", "size"),
    [("DEMO-CT-01", "light", (1280, 800)), ("DEMO-MR-02", "dark", (1920, 1080))],
)
def test_every_layout_shows_images_and_the_choice_is_remembered(
    server: str, browser: Browser, case: str, scheme: str, size: tuple[int, int]
) -> None:
    page = open_page(browser, server, scheme=scheme, size=size)
    page.goto(f"{server}/review?case={case}")
    wait_for_viewer(page, 4)
    page.locator('.hb-viewer[data-masks="4"]').wait_for(timeout=SLOW_MS)
    for layout, panes in (("one", 1), ("two", 2), ("all", 4), ("surface", 1), ("mpr", 3)):
        lay_out(page, layout)
        page.locator(f'.hb-viewer[data-shown="{panes}"]').wait_for()
        if layout == "surface":
            page.locator('.hb-pane[data-surfaces="2"]').wait_for(timeout=SLOW_MS)
            page.wait_for_timeout(1500)
        page.locator(".hb-viewer").scroll_into_view_if_needed()
        shoot(page, f"14-{case}-{layout}")
    page.wait_for_timeout(2000)
    page.reload()
    wait_for_viewer(page, 4)
    expect(page.locator('[data-layout="mpr"][aria-pressed="true"]')).to_be_visible()
    # One switch takes the masks away; a structure of its own can be hidden too.
    assert orange(page) > 50
    page.locator(".hb-mask").uncheck()
    page.wait_for_timeout(200)
    assert orange(page) == 0
    page.locator(".hb-mask").check()
    page.get_by_label("Tumour 1", exact=True).uncheck()
    page.wait_for_timeout(200)
    assert orange(page) == 0
    lay_out(page, "all")
    page.wait_for_timeout(1200)
    page.context.close()


NAMELESS = """() => [...document.querySelectorAll('.hb-viewer :is(button, select, input, canvas, [role=toolbar])')]
  .filter((e) => !(e.getAttribute('aria-label') || e.labels?.[0]?.textContent.trim() || e.textContent.trim()))
  .map((e) => e.outerHTML.slice(0, 80))"""


def test_every_control_has_a_name_and_is_reached_by_the_keyboard(server: str, browser: Browser) -> None:
    page = open_page(browser, server, size=(3840, 2160))
    page.goto(f"{server}/review?case=DEMO-CT-01")
    wait_for_viewer(page, 4)
    page.locator('.hb-viewer[data-masks="4"]').wait_for(timeout=SLOW_MS)
    lay_out(page, "all")
    page.get_by_role("button", name="Draw this mask").click()
    assert page.evaluate(NAMELESS) == []
    page.locator(".hb-layouts button").first.focus()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.closest('.hb-viewer') ? document.activeElement.className : ''")
        )
    assert {"hb-plane", "hb-phase", "hb-link", "hb-mask", "hb-between", "hb-save hb-primary", "hb-reader"} <= reached
    shoot(page, "18-review-4k")
    page.get_by_role("button", name="Discard").click()
    page.context.close()


def orange(page: Page) -> int:
    """Pixels of the first pane in the colour of the first lesion."""
    from PIL import Image

    picture = page.locator(".hb-pane canvas").first.screenshot()
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)
    return int((np.abs(pixels - (255, 150, 0)).max(axis=-1) < 40).sum())


def test_a_screenshot_is_a_picture_of_the_panes(server: str, browser: Browser, tmp_path: Path) -> None:
    from PIL import Image

    page = open_page(browser, server)
    page.goto(f"{server}/review?case=DEMO-CT-01")
    wait_for_viewer(page, 4)
    with page.expect_download() as download:
        page.get_by_role("button", name="Screenshot").click()
    assert download.value.suggested_filename == "hepaboard-viewer.png"
    download.value.save_as(tmp_path / "shot.png")
    picture = np.asarray(Image.open(tmp_path / "shot.png").convert("L"))
    box = page.locator(".hb-grid").bounding_box()
    assert box
    assert picture.shape == (int(box["height"]), int(box["width"]))
    assert picture.std() > 30
    page.context.close()


def test_a_segmenters_proposal_is_watched_and_accepted_and_a_heat_map_laid_over(
    server: str, browser: Browser, command: Callable[..., Any]
) -> None:
    page = open_page(browser, server)
    page.goto(f"{server}/review?case=DEMO-CT-03")
    wait_for_viewer(page, 4)
    before = len(command("cases", "show", "DEMO-CT-03")["masks"])
    page.get_by_role("button", name="Propose masks").click()
    body = page.get_by_test_id("stPopoverBody")
    body.get_by_role("button", name="Propose masks").click()
    expect(page.get_by_role("button", name="Accept")).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_label("Liver (proposed)")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator('.hb-viewer[data-masks="4"]').wait_for(timeout=SLOW_MS)
    shoot(page, "15-review-proposal")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("accepted. Correct them under Draw.")).to_be_visible(timeout=SLOW_MS)
    assert len(command("cases", "show", "DEMO-CT-03")["masks"]) > before

    page.get_by_role("button", name="Overlays").click()
    page.get_by_role("combobox", name="Heat map").click()
    page.get_by_role("option").first.click()
    page.locator('.hb-viewer[data-map="1"]').wait_for(timeout=SLOW_MS)
    page.keyboard.press("Escape")
    expect(page.get_by_role("img", name="Colours from 0")).to_be_visible()
    page.wait_for_timeout(500)
    shoot(page, "16-review-heat-map")
    page.context.close()


def test_the_workbench_paints_erases_undoes_and_fills_between_slices(
    server: str, browser: Browser, command: Callable[..., Any]
) -> None:
    page = open_page(browser, server)
    page.goto(f"{server}/review?case=DEMO-MR-04")
    wait_for_viewer(page, 4)
    lay_out(page, "one")
    page.locator(".hb-target").select_option("LOAT:1")
    page.get_by_role("button", name="Draw this mask").click()
    said = page.locator(".hb-drawn")

    def ml() -> float:
        return float(re.search(r"([\d.]+) mL", said.inner_text())[1])  # type: ignore[index]

    tool(page, "Brush")
    page.get_by_label("Brush radius in mm").fill("8")
    click_in(page, 0.5, 0.45)
    one = ml()
    assert one == pytest.approx(np.pi * 8**2 * 3.0 / 1000, rel=0.1)
    tool(page, "Eraser")
    page.get_by_label("Brush radius in mm").fill("4")
    click_in(page, 0.5, 0.45)
    assert ml() == pytest.approx(one * 0.75, rel=0.1)
    page.keyboard.press("Control+z")
    assert ml() == one
    page.get_by_role("button", name="Redo").click()
    page.get_by_role("button", name="Undo").click()
    for _ in range(4):
        page.locator(".hb-pane canvas").first.press("ArrowUp")
    tool(page, "Filled pen")
    for corner in ((0.46, 0.4), (0.54, 0.4), (0.54, 0.5)):
        click_in(page, *corner)
    page.mouse.dblclick(*at(page, 0.46, 0.5))
    two = ml()
    assert two > one
    page.get_by_role("button", name="Fill between slices").click()
    expect(said).not_to_contain_text(f"{two:.2f} mL", timeout=SLOW_MS)
    wait_until(page, "!document.querySelector('.hb-drawn').textContent.includes('Working')")
    assert 1.8 * two < ml() < 3.2 * two
    shoot(page, "17-review-drawing")
    page.get_by_label("Only values from").check()
    shoot(page, "17-review-drawing-threshold")
    page.get_by_role("button", name="Save mask").click()
    page.locator('.hb-viewer[data-drawing=""]').wait_for(timeout=SLOW_MS)
    stored = [m for m in command("cases", "show", "DEMO-MR-04")["masks"] if m["label"] == "LOAT"]
    assert len(stored) == 1
    page.context.close()


def test_a_drawing_survives_a_refusal(server: str, browser: Browser) -> None:
    page = open_page(browser, server)
    page.goto(f"{server}/review?case=DEMO-MR-04")
    wait_for_viewer(page, 4)
    lay_out(page, "one")
    page.get_by_role("button", name="Draw this mask").click()
    tool(page, "Fill between slices")
    expect(page.locator(".hb-drawn")).to_contain_text("Draw on two slices or more", timeout=SLOW_MS)
    assert page.locator(".hb-viewer").get_attribute("data-drawing") != ""
    page.get_by_role("button", name="Discard").click()
    assert page.locator(".hb-viewer").get_attribute("data-drawing") == ""
    page.context.close()


def test_nothing_of_a_patient_stays_in_the_browser_and_the_policy_holds(server: str, browser: Browser) -> None:
    page = open_page(browser, server)
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    page.on("request", lambda r: asked.append(r.url))
    for name in ("review", "risk", "cohort", "board"):
        page.goto(f"{server}/{name}?case=DEMO-CT-01")
        page.wait_for_timeout(2500)
    page.goto(f"{server}/review?case=DEMO-CT-01")
    wait_for_viewer(page, 4)
    kept = page.evaluate(
        """async () => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie,
        (await indexedDB.databases()).map((d) => d.name), await caches.keys()])"""
    )
    assert "DEMO" not in kept
    assert not [text for text in said if "Content Security Policy" in text]
    viewer = [url for url in asked if "/viewer/" in url]
    assert viewer
    assert not [url for url in viewer if "DEMO" in url]
    page.context.close()


def test_four_phases_share_one_crosshair_and_a_rerun_loads_nothing_again(server: str, browser: Browser) -> None:
    page = open_page(browser, server, scheme="dark", size=(1920, 1080))
    requests: list[str] = []
    page.on("request", lambda r: requests.append(r.url) if "/viewer/volume/" in r.url else None)
    page.goto(f"{server}/review?case=DEMO-MR-02")
    wait_for_viewer(page, 4)
    lay_out(page, "all")
    page.locator('.hb-viewer[data-shown="4"]').wait_for()
    canvases = page.locator(".hb-pane canvas")
    canvases.nth(2).hover()
    page.mouse.wheel(0, 300)
    page.wait_for_timeout(1500)
    assert len({p.get_attribute("data-slice") for p in page.locator(".hb-pane").all()}) == 1
    loaded = len(requests)
    open_import(page)
    choose(page, "What it marks", "liver")  # a widget outside the viewer: the script runs again
    page.wait_for_timeout(3000)
    assert len(requests) == loaded
    assert page.locator('.hb-viewer[data-ready="4"]').count() == 1
    page.locator(".hb-presets").select_option("liver")
    page.locator('.hb-viewer[data-window="liver"]').wait_for()
    shoot(page, "09-review-mr-dark")
    page.goto(f"{server}/risk?case=DEMO-MR-02")
    expect(page.get_by_text("Synthetic demonstration data")).to_be_visible()
    expect(page.locator(".js-plotly-plot").get_by_text("PVP radiomics signature (log odds)")).to_be_visible(
        timeout=SLOW_MS
    )
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
