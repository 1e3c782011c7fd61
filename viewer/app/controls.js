// The buttons and fields around the images, and the picture that can be saved of them.

import { onKey, showKeys } from "./keys.js";
import { LAYOUTS } from "./layouts.js";

export function wire(viewer) {
  const on = (name, event, act) => viewer.part(name).addEventListener(event, act);
  viewer.part("layouts").append(...Object.entries(LAYOUTS).map(([name, label]) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
    button.dataset.layout = name;
    button.addEventListener("click", () => viewer.chooseLayout(name));
    return button;
  }));
  viewer.part("tools").append(...Object.values(viewer.tools).map((tool) => toolButton(viewer, tool)));
  viewer.part("drawtools").append(...Object.values(viewer.drawingTools).map((tool) => toolButton(viewer, tool)));
  on("plane", "change", (e) => { viewer.plane = e.target.value; viewer.arrange(); viewer.remember(); });
  on("presets", "change", (e) => viewer.choosePreset(viewer.data.presets.find((p) => p.name === e.target.value)));
  on("mask", "change", (e) => { viewer.masksShown = e.target.checked; viewer.redraw(); });
  on("cross", "change", (e) => { viewer.crosshairShown = e.target.checked; viewer.redraw(); });
  on("style", "change", (e) => { viewer.maskStyle = e.target.value; viewer.redraw(); viewer.remember(); });
  on("heat-on", "change", (e) => { viewer.mapOn = e.target.checked; viewer.redraw(); });
  on("heat-opacity", "input", (e) => { viewer.mapOpacity = Number(e.target.value); viewer.redraw(); });
  on("clear", "click", () => { viewer.annotations = []; viewer.listAnnotations(); });
  on("cine", "click", () => viewer.toggleCine());
  on("shot", "click", () => screenshot(viewer));
  on("full", "click", () => (document.fullscreenElement ? document.exitFullscreen() : viewer.root.requestFullscreen()));
  on("help", "click", () => showKeys(viewer));
  on("reset", "click", () => viewer.reset());
  viewer.root.addEventListener("keydown", (event) => onKey(viewer, event));
  viewer.chooseTool(viewer.tool);
}

function toolButton(viewer, tool) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: tool.label });
  button.title = tool.key ? `${tool.title} (${tool.key.toUpperCase()})` : tool.title;
  button.addEventListener("click", () => viewer.chooseTool(tool));
  tool.button = button;
  return button;
}

function screenshot(viewer) {
  const box = viewer.part("grid").getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const canvas = Object.assign(document.createElement("canvas"), { width: box.width * ratio, height: box.height * ratio });
  const c = canvas.getContext("2d");
  c.scale(ratio, ratio);
  for (const pane of viewer.panes) {
    const at = pane.canvas.getBoundingClientRect();
    pane.draw();
    c.drawImage(pane.canvas, at.left - box.left, at.top - box.top, at.width, at.height);
    c.font = "600 13px system-ui, sans-serif";
    c.fillStyle = "#fff";
    c.fillText(pane.title ?? caption(pane), at.left - box.left + 8, at.top - box.top + 18);
  }
  canvas.toBlob((blob) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: "hepaboard-viewer.png" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}

function caption({ phase, view, slice, plane }) {
  return `${phase.label} · ${view} · ${slice + 1}/${plane.depth}${phase.registered ? "" : " · not registered"}`;
}
