// Mouse and pen on a pane: the wheel scrolls, the left button is the tool, the right one the window, the middle one pans.

const WHEEL_STEP = 40;

export function pointerEvents(viewer, pane) {
  const { canvas } = pane;
  let held = null;
  let rolled = 0;

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    if (viewer.active !== pane.phase) {
      viewer.active = pane.phase;
      viewer.panes.filter((p) => p.plane).forEach((p) => viewer.describePane(p));
    }
    canvas.setPointerCapture(event.pointerId);
    const tool = event.button === 2 ? viewer.tools.window : event.button === 1 ? viewer.tools.pan : viewer.tool;
    held = { tool, last: at(event) };
    tool.down?.(pane, held.last, event);
  });

  canvas.addEventListener("pointermove", (event) => {
    const point = at(event);
    viewer.hovered = { pane, point, mm: pane.toMm(point) };
    if (!held) {
      pane.describe(pane.slice, pane.slice >= 0 && pane.slice < pane.plane.depth);
      if (viewer.tool.paint) viewer.redraw();
      return;
    }
    held.tool.move?.(pane, point, [point[0] - held.last[0], point[1] - held.last[1]]);
    held.last = point;
  });

  const release = (event) => {
    if (!held) return;
    held.tool.up?.(pane, at(event), event);
    held = null;
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => {
    if (viewer.hovered?.pane === pane) viewer.hovered = null;
    viewer.redraw();
  });
  canvas.addEventListener("dblclick", () => viewer.tool.close?.());
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      if (event.ctrlKey) return viewer.zoomBy(pane, Math.exp(-event.deltaY / 400), at(event));
      rolled += event.deltaMode === 1 ? event.deltaY * WHEEL_STEP : event.deltaY;
      const steps = Math.trunc(rolled / WHEEL_STEP);
      // A notch of a wheel is one slice, however many pixels the system makes of it.
      if (steps) {
        rolled = 0;
        viewer.step(pane, -Math.sign(steps) * (Math.abs(event.deltaY) >= 200 ? 3 : 1));
      }
    },
    { passive: false },
  );
}
