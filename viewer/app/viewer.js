// The viewer: phases side by side, one position in patient millimetres (LPS), one window, masks over all of it.
//
// The data comes from ui/viewer.py. Volumes are known by content, so a rerun that only adds a mask reloads that mask.

import { rgb } from "./colours.js";
import { wire } from "./controls.js";
import { makeDrawingTools } from "./draw.js";
import { LAYOUTS, panesOf } from "./layouts.js";
import { Loader } from "./loader.js";
import { load } from "./loading.js";
import { Pane } from "./pane.js";
import { pointerEvents } from "./pointer.js";
import { Surface } from "./surface.js";
import { makeTools } from "./tools.js";
import { Grid } from "./volume.js";
import { Workbench } from "./workbench.js";

const CINE_MS = 600;
const PREFERENCES_MS = 700;
const UP = { axial: [0, 0, 1], coronal: [0, -1, 0], sagittal: [-1, 0, 0] };

export class Viewer {
  constructor(root) {
    this.root = root;
    this.loader = new Loader();
    this.phases = [];
    this.panes = [];
    this.annotations = [];
    this.hidden = new Set();
    this.colours = {};
    this.view = { zoom: 1, centre: null };
    this.window = { preset: null, shift: 0, gain: 1 };
    this.masksShown = true;
    this.crosshairShown = true;
    this.maskStyle = "outline";
    this.mapOpacity = 0.6;
    this.mapOn = true;
    this.tools = makeTools(this);
    this.drawingTools = makeDrawingTools(this);
    this.workbench = new Workbench(this);
    this.tool = this.tools.crosshair;
    wire(this);
  }

  part(name) {
    return this.root.querySelector(`.hb-${name}`);
  }

  // ---- data from Python -----------------------------------------------------------------------------------------

  update(data, component) {
    const first = !this.data;
    this.data = data;
    this.component = component;
    if (first) this.begin(data);
    this.takePhases(data);
    this.takeStructures(data);
    this.workbench.update(data);
    if (first || !this.panes.length) this.arrange();
    if (data.focus_mm_lps && String(data.focus_mm_lps) !== this.focused) {
      this.focused = String(data.focus_mm_lps);
      if (first || !this.edit) this.moveTo(data.focus_mm_lps);
    }
    load(this);
    this.redraw();
  }

  begin(data) {
    const kept = data.preferences ?? {};
    const usual = data.phases.length > 2 ? "all" : data.phases.length === 2 ? "two" : "one";
    this.layout = kept.layout in LAYOUTS && (kept.layout !== "two" || data.phases.length > 1) ? kept.layout : usual;
    this.plane = kept.plane in UP ? kept.plane : "axial";
    this.maskStyle = kept.style === "fill" ? "fill" : "outline";
    this.part("plane").value = this.plane;
    this.part("style").value = this.maskStyle;
    this.fillPresets(data);
  }

  takePhases(data) {
    const before = new Map(this.phases.map((p) => [p.id, p]));
    this.phases = data.phases.map((given) => {
      const known = before.get(given.id) ?? { grid: new Grid(given.geometry), offset: null, own: null };
      return Object.assign(known, { ...given, geometry: undefined });
    });
    const frame = this.phases[0].frame;
    for (const phase of this.phases) {
      phase.registered = phase.frame === frame;
      phase.offset ??= phase.registered ? [0, 0, 0] : startingOffset(this.phases[0].grid, phase.grid);
    }
    this.active = this.phases.find((p) => p.id === this.active?.id) ?? this.phases.find((p) => p.phase === data.first) ?? this.phases[0];
    this.position ??= this.active.grid.centre;
    if (this.panes.some((pane) => pane.plane && !this.phases.includes(pane.phase))) {
      this.panes.forEach((pane) => pane.close());
      this.panes = [];
    }
    const map = data.map;
    for (const phase of this.phases) {
      const wanted = map && map.phase === phase.id ? map : null;
      if (phase.map?.id !== wanted?.id) phase.map = wanted ? { ...wanted, volume: null } : null;
    }
    this.part("heat").hidden = !map;
    if (map) this.part("heat-name").textContent = map.title;
  }

  takeStructures(data) {
    this.structures = data.structures;
    this.colours = Object.fromEntries(data.structures.map((s) => [s.bit, s.colour]));
    this.proposals = data.structures.reduce((bits, s) => (s.kind === "proposal" ? bits | s.bit : bits), 0);
    const legend = this.part("legend");
    legend.replaceChildren(
      ...data.structures.map((s) => {
        const label = document.createElement("label");
        const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: !this.hidden.has(s.key) });
        box.addEventListener("change", () => {
          box.checked ? this.hidden.delete(s.key) : this.hidden.add(s.key);
          this.redraw();
        });
        const swatch = document.createElement("span");
        swatch.className = s.kind === "proposal" ? "hb-swatch hb-dashed" : "hb-swatch";
        swatch.style.color = rgb(s.colour);
        label.append(box, swatch, document.createTextNode(` ${s.name}`));
        return label;
      }),
    );
  }

  fillPresets(data) {
    const select = this.part("presets");
    select.replaceChildren(
      ...data.presets.map((preset, index) => Object.assign(document.createElement("option"), { value: preset.name, textContent: `${preset.label}`, title: `Key ${index + 1}` })),
    );
    this.choosePreset(data.presets[0]);
  }

  // What is there now, so that a reader of the page (and a test) can tell.
  mark() {
    this.root.dataset.ready = String(this.phases.filter((p) => p.volume?.complete).length);
    this.root.dataset.masks = String(this.phases.filter((p) => p.labels && p.labelsShown === p.labels_id).length);
    this.root.dataset.labels = this.phases.map((p) => (p.labelsShown || "none").slice(0, 8)).join(",");
    this.root.dataset.map = String(this.phases.filter((p) => p.map?.volume).length);
    this.redraw();
  }

  // ---- layout ---------------------------------------------------------------------------------------------------

  arrange() {
    for (const pane of this.panes) pane.close();
    const grid = this.part("grid");
    grid.replaceChildren();
    const { layout } = this;
    grid.dataset.layout = layout;
    const specs = panesOf(this);
    grid.dataset.count = String(specs.length + (layout === "surface" ? 1 : 0));
    this.panes = specs.map((spec) => this.addPane(spec));
    if (layout === "surface") {
      const surface = new Surface(this);
      grid.append(surface.element);
      this.panes.push(surface);
    }
    for (const button of this.part("layouts").children) button.setAttribute("aria-pressed", String(button.dataset.layout === layout));
    this.part("plane").disabled = layout === "mpr";
    this.view.centre = null;
    this.redraw();
  }

  addPane(spec) {
    const pane = new Pane(this, spec);
    this.part("grid").append(pane.element);
    pointerEvents(this, pane);
    const select = pane.element.querySelector(".hb-phase");
    select.replaceChildren(...this.phases.map((p) => Object.assign(document.createElement("option"), { value: p.id, textContent: p.label })));
    select.setAttribute("aria-label", "Phase in this pane");
    select.addEventListener("change", () => this.showPhase(pane, this.phases.find((p) => p.id === select.value)));
    pane.element.querySelector(".hb-link").addEventListener("click", () => this.toggleLink(pane.phase));
    this.describePane(pane);
    return pane;
  }

  showPhase(pane, phase) {
    for (const each of this.layout === "mpr" ? this.panes : [pane]) each.show(phase);
    this.active = phase;
    this.panes.filter((p) => p.plane).forEach((p) => this.describePane(p));
    load(this);
  }

  describePane(pane) {
    const { phase, element } = pane;
    element.querySelector(".hb-phase").value = phase.id;
    const badge = element.querySelector(".hb-badge");
    badge.hidden = phase.registered;
    const shift = phase.offset.some((v) => Math.abs(v) > 0.05) ? `, moved ${phase.offset.map((v) => v.toFixed(0)).join(" ")} mm` : "";
    badge.textContent = `not registered${shift}`;
    badge.title = "No common frame of reference with the first phase: linked by position only. Unlink, scroll to the same place, link again to set an offset.";
    const link = element.querySelector(".hb-link");
    link.textContent = phase.own ? "Unlinked" : "Linked";
    link.setAttribute("aria-pressed", String(!phase.own));
    link.title = phase.own ? "Link this phase to the others again" : "Let this phase scroll by itself";
    link.hidden = this.phases.length < 2 || this.layout === "mpr";
    element.classList.toggle("hb-active", phase === this.active && this.phases.length > 1 && this.layout !== "mpr");
  }

  // Linking again keeps the place an unregistered phase was scrolled to; a registered one goes back to the common place.
  toggleLink(phase) {
    if (phase.own) {
      phase.offset = phase.registered ? [0, 0, 0] : phase.own.position.map((v, i) => v - this.position[i]);
      phase.own = null;
    } else {
      phase.own = { position: this.positionOf(phase), view: { ...this.view } };
    }
    this.panes.filter((p) => p.plane).forEach((p) => this.describePane(p));
    this.redraw();
  }

  // ---- position, zoom, window -----------------------------------------------------------------------------------

  positionOf(phase) {
    return phase.own ? phase.own.position : this.position.map((v, i) => v + phase.offset[i]);
  }

  viewOf(phase) {
    const view = phase.own ? phase.own.view : this.view;
    return { zoom: view.zoom, centre: view.centre && !phase.own ? view.centre.map((v, i) => v + phase.offset[i]) : view.centre };
  }

  moveTo(mm, pane) {
    const phase = pane?.phase ?? this.active;
    const index = phase.grid.toIndex(mm).map((v, i) => Math.min(phase.grid.size[i] - 1, Math.max(0, v)));
    const inside = phase.grid.toMm(index);
    if (phase.own && pane) phase.own.position = inside;
    else this.position = inside.map((v, i) => v - (pane ? phase.offset[i] : 0));
    const [x, y, z] = this.position;
    this.root.dataset.position = [x, y, z].map((v) => v.toFixed(2)).join(",");
    this.say(`L ${x.toFixed(1)}  P ${y.toFixed(1)}  S ${z.toFixed(1)} mm`);
    this.redraw();
  }

  step(pane, count) {
    const { phase, plane } = pane;
    const towards = plane.grid.axis(plane.w).reduce((sum, v, i) => sum + v * UP[plane.view][i], 0) < 0 ? -1 : 1;
    const index = phase.grid.toIndex(this.positionOf(phase));
    index[plane.w] = Math.min(plane.depth - 1, Math.max(0, Math.round(index[plane.w]) + count * towards));
    this.moveTo(phase.grid.toMm(index), pane);
  }

  pan(pane, [dx, dy]) {
    const [w, h] = pane.size;
    const centre = pane.toMm([w / 2 - dx, h / 2 - dy]);
    this.setView(pane.phase, { centre });
  }

  zoomBy(pane, factor, point = null) {
    const zoom = Math.min(30, Math.max(0.5, this.viewOf(pane.phase).zoom * factor));
    const under = point && pane.toMm(point);
    this.setView(pane.phase, { zoom });
    if (!under) return;
    // The place under the pointer stays there.
    const [x, y] = pane.fromMm(under);
    this.pan(pane, [point[0] - x, point[1] - y]);
  }

  setView(phase, change) {
    if (phase.own) Object.assign(phase.own.view, change);
    else {
      if (change.centre) change.centre = change.centre.map((v, i) => v - phase.offset[i]);
      Object.assign(this.view, change);
    }
    this.redraw();
  }

  choosePreset(preset) {
    this.window = { preset, shift: 0, gain: 1 };
    this.part("presets").value = preset.name;
    this.root.dataset.window = preset.name;
    this.redraw();
  }

  dragWindow([dx, dy]) {
    this.window.gain = Math.min(20, Math.max(0.02, this.window.gain * Math.exp(dx / 180)));
    this.window.shift += (dy / 300) * this.window.gain;
    this.redraw();
  }

  // CT in HU; MR between percentiles of the volume itself.
  windowOf(volume) {
    const { preset, shift, gain } = this.window;
    let [level, width] = [preset.level, preset.width];
    if (preset.percentiles) {
      const found = preset.percentiles.map((p) => volume.percentiles?.[p] ?? 0);
      width = Math.max(1e-6, found[1] - found[0]);
      level = (found[0] + found[1]) / 2;
    }
    const centre = level + shift * width;
    return { low: centre - (width * gain) / 2, high: centre + (width * gain) / 2 };
  }

  // ---- what lies over the images --------------------------------------------------------------------------------

  visibleBits(phase) {
    let bits = 0;
    for (const s of this.structures) if (!this.hidden.has(s.key)) bits |= s.bit;
    return this.workbench.drawsOn(phase) ? bits & ~this.edit.bit : bits;
  }

  mapShown(phase) {
    return this.mapOn && Boolean(phase.map?.volume);
  }

  removeAnnotation(annotation) {
    this.annotations = this.annotations.filter((a) => a !== annotation);
    this.listAnnotations();
  }

  listAnnotations() {
    this.part("measured").hidden = !this.annotations.length;
    this.part("list").replaceChildren(
      ...this.annotations.map((annotation) => {
        const item = document.createElement("li");
        const phase = this.phases.find((p) => p.id === annotation.phase);
        const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Remove", title: "Remove this measurement" });
        button.setAttribute("aria-label", `Remove ${annotation.kind} ${annotation.text}`);
        button.addEventListener("click", () => this.removeAnnotation(annotation));
        item.append(`${phase?.phase ?? ""} ${annotation.kind}: ${annotation.text || "not finished"} `, button);
        return item;
      }),
    );
    this.redraw();
  }

  // ---- drawing on screen ----------------------------------------------------------------------------------------

  redraw() {
    if (this.scheduled || this.closed) return;
    this.scheduled = requestAnimationFrame(() => {
      this.scheduled = 0;
      let shown = 0;
      for (const pane of this.panes) {
        pane.draw();
        if (pane.cache?.values) shown += 1;
      }
      this.root.dataset.shown = String(shown);
      const volume = this.active?.volume;
      if (!volume) return;
      const { low, high } = this.windowOf(volume);
      this.part("wl").textContent = `W ${Math.round(high - low)} L ${Math.round((high + low) / 2)}`;
    });
  }

  say(text) {
    this.part("status").textContent = text;
  }

  // ---- choices --------------------------------------------------------------------------------------------------

  chooseTool(tool) {
    this.tool = tool;
    for (const each of [...Object.values(this.tools), ...Object.values(this.drawingTools)]) each.button.setAttribute("aria-pressed", String(each === tool));
    this.redraw();
  }

  chooseLayout(name) {
    this.layout = name === "two" && this.phases.length < 2 ? "one" : name;
    this.arrange();
    load(this);
    this.remember();
  }

  cyclePhase(by = 1) {
    const pane = this.panes.find((p) => p.plane && p.phase === this.active) ?? this.panes.find((p) => p.plane);
    const next = this.phases[(this.phases.indexOf(pane.phase) + by + this.phases.length) % this.phases.length];
    this.showPhase(pane, next);
  }

  toggleCine() {
    if (this.cine) clearInterval(this.cine);
    this.cine = this.cine ? null : setInterval(() => this.cyclePhase(), CINE_MS);
    if (this.cine && this.layout !== "one") this.chooseLayout("one");
    this.part("cine").setAttribute("aria-pressed", String(Boolean(this.cine)));
  }

  reset() {
    this.view = { zoom: 1, centre: null };
    for (const phase of this.phases) Object.assign(phase, { own: null, offset: null });
    this.takePhases(this.data);
    this.choosePreset(this.data.presets[0]);
    this.panes.filter((p) => p.plane).forEach((p) => this.describePane(p));
  }

  remember() {
    clearTimeout(this.rememberLater);
    this.rememberLater = setTimeout(() => {
      this.component.setTriggerValue("preferences", { layout: this.layout, plane: this.plane, style: this.maskStyle });
    }, PREFERENCES_MS);
  }

  close() {
    this.closed = true;
    if (this.cine) clearInterval(this.cine);
    cancelAnimationFrame(this.scheduled);
    this.loader.close();
    for (const pane of this.panes) pane.close();
    this.phases = [];
  }
}

// Volumes without a common frame that do not even overlap begin with their middles together.
function startingOffset(reference, grid) {
  const index = grid.toIndex(reference.centre);
  return grid.contains(index) ? [0, 0, 0] : grid.centre.map((v, i) => v - reference.centre[i]);
}
