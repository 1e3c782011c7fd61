// The keyboard, and the sheet that lists it.

const SHEET = [
  ["Arrow keys", "one slice up or down"],
  ["Page Up, Page Down", "five slices"],
  ["Home, End", "first and last slice"],
  ["Wheel", "one slice; with Ctrl: zoom"],
  ["Space", "next phase in the pane (Shift: the one before)"],
  ["1 to 9", "window preset"],
  ["+, −", "zoom in, out"],
  ["0", "reset the view"],
  ["M", "masks on or off"],
  ["C", "cine over phases"],
  ["X W P Z", "crosshair, window, pan, zoom"],
  ["L A B E F", "length, angle, axes, ellipse, freehand"],
  ["Delete", "remove the chosen measurement"],
  ["Right button", "drag: window and level"],
  ["Middle button", "drag: pan"],
  ["[ and ]", "smaller, larger brush"],
  ["Ctrl+Z, Ctrl+Y", "undo, redo while drawing"],
  ["Enter, Esc", "close or drop the outline being drawn"],
  ["?", "this sheet"],
];

export function showKeys(viewer) {
  const dialog = viewer.part("keys");
  const rows = SHEET.map(([keys, what]) => `<tr><th scope="row">${keys}</th><td>${what}</td></tr>`).join("");
  dialog.innerHTML = `<h4>Keyboard and mouse</h4><table>${rows}</table><button type="button">Close</button>`;
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  dialog.showModal();
}

export function onKey(viewer, event) {
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox") return;
  const pane = viewer.panes.find((p) => p.canvas === event.target) ?? viewer.panes.find((p) => p.plane && p.phase === viewer.active) ?? viewer.panes[0];
  const act = (event.ctrlKey || event.metaKey ? withControl : plain)(viewer, pane, event);
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  act();
}

function withControl(viewer, pane, event) {
  const key = event.key.toLowerCase();
  if (!viewer.edit) return null;
  if (key === "z" && !event.shiftKey) return () => viewer.workbench.undo();
  if (key === "y" || (key === "z" && event.shiftKey)) return () => viewer.workbench.redo();
  return null;
}

function plain(viewer, pane, event) {
  const steps = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5, Home: -1e4, End: 1e4 };
  if (event.key in steps) return pane.plane ? () => viewer.step(pane, steps[event.key]) : null;
  // Space and Enter press a focused button.
  const onButton = event.target.tagName === "BUTTON" || event.target.type === "checkbox";
  if (event.key === " ") return onButton ? null : () => viewer.cyclePhase(event.shiftKey ? -1 : 1);
  if (event.key === "Enter") return onButton ? null : () => viewer.tool.close?.();
  if (event.key === "Escape" && viewer.tool.points?.length) return () => { viewer.tool.points = []; viewer.redraw(); };
  if (event.key === "Delete" || event.key === "Backspace") return viewer.chosen ? () => viewer.removeAnnotation(viewer.chosen) : null;
  const preset = viewer.data.presets[Number(event.key) - 1];
  if (/^[1-9]$/.test(event.key)) return preset ? () => viewer.choosePreset(preset) : null;
  const tool = Object.values(viewer.tools).find((t) => t.key === event.key.toLowerCase());
  if (tool) return () => viewer.chooseTool(tool);
  return {
    "?": () => showKeys(viewer),
    0: () => viewer.reset(),
    "+": () => viewer.zoomBy(pane, 1.2),
    "=": () => viewer.zoomBy(pane, 1.2),
    "-": () => viewer.zoomBy(pane, 1 / 1.2),
    "[": () => viewer.workbench.setRadius(-1),
    "]": () => viewer.workbench.setRadius(1),
    m: () => viewer.part("mask").click(),
    c: () => viewer.toggleCine(),
  }[event.key.toLowerCase()];
}
