// One canvas: a slice of a phase with its window, heat map, masks, drawing, crosshair, letters, scale bar, measurements.

import { mapTable, rgb } from "./colours.js";
import { Buffer2d, marks } from "./marks.js";
import { drawAnnotation } from "./measure.js";
import { Plane } from "./planes.js";

const MAP_TABLE = mapTable();
const EMPTY_TEXT = { waiting: "Loading…", outside: "Outside this phase" };

export class Pane {
  constructor(viewer, { phase, view }) {
    this.viewer = viewer;
    this.view = view;
    this.element = document.createElement("div");
    this.element.className = "hb-pane";
    this.element.innerHTML =
      '<div class="hb-head"><select class="hb-phase"></select><span class="hb-badge" hidden></span>' +
      '<button type="button" class="hb-link" aria-pressed="true"></button><span class="hb-info"></span></div>' +
      '<div class="hb-canvas-box"><canvas tabindex="0"></canvas></div>';
    this.canvas = this.element.querySelector("canvas");
    // Kept in main memory: slices change with every step, and sending them and their outlines to a graphics card first
    // (or to its emulation) costs several times what drawing them does.
    this.context = this.canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    this.image = new Buffer2d();
    this.fills = new Buffer2d();
    this.heat = new Buffer2d();
    this.cache = {};
    this.size = [0, 0];
    this.ratio = 1;
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.canvas);
    this.show(phase);
  }

  show(phase) {
    this.phase = phase;
    this.plane = new Plane(phase.grid, this.view);
    this.cache = {};
    this.canvas.setAttribute("aria-label", `${phase.label}, ${this.view}. Wheel or arrow keys change the slice; ? lists all keys.`);
    this.viewer.redraw();
  }

  close() {
    this.observer.disconnect();
    this.element.remove();
  }

  resize() {
    const { width, height } = this.canvas.getBoundingClientRect();
    this.ratio = window.devicePixelRatio || 1;
    this.size = [width, height];
    this.canvas.width = Math.max(1, Math.round(width * this.ratio));
    this.canvas.height = Math.max(1, Math.round(height * this.ratio));
    this.viewer.redraw();
  }

  // ---- geometry -------------------------------------------------------------------------------------------------

  get slice() {
    return Math.round(this.plane.fromIndex(this.phase.grid.toIndex(this.viewer.positionOf(this.phase)))[2]);
  }

  // Screen pixels a millimetre: all panes of a layout show the same field of view.
  get scale() {
    const { width, height, spacingU, spacingV } = this.plane;
    const fit = Math.min(this.size[0] / (width * spacingU), this.size[1] / (height * spacingV));
    return fit * this.viewer.viewOf(this.phase).zoom;
  }

  // Where the middle of the canvas lies on the plane, in mm from the first pixel's middle.
  get middle() {
    const centre = this.viewer.viewOf(this.phase).centre;
    if (!centre) return [((this.plane.width - 1) / 2) * this.plane.spacingU, ((this.plane.height - 1) / 2) * this.plane.spacingV];
    const [column, row] = this.plane.fromIndex(this.phase.grid.toIndex(centre));
    return [column * this.plane.spacingU, row * this.plane.spacingV];
  }

  toPixel([x, y]) {
    const [u, v] = this.middle;
    const scale = this.scale;
    return [(u + (x - this.size[0] / 2) / scale) / this.plane.spacingU, (v + (y - this.size[1] / 2) / scale) / this.plane.spacingV];
  }

  fromPixel([column, row]) {
    const [u, v] = this.middle;
    const scale = this.scale;
    return [(column * this.plane.spacingU - u) * scale + this.size[0] / 2, (row * this.plane.spacingV - v) * scale + this.size[1] / 2];
  }

  toMm(point) {
    const [column, row] = this.toPixel(point);
    return this.phase.grid.toMm(this.plane.toIndex(column, row, this.slice));
  }

  fromMm(mm) {
    const [column, row] = this.plane.fromIndex(this.phase.grid.toIndex(mm));
    return this.fromPixel([column, row]);
  }

  sliceOf(mm) {
    return this.plane.fromIndex(this.phase.grid.toIndex(mm))[2];
  }

  // ---- drawing --------------------------------------------------------------------------------------------------

  draw() {
    const { context: c, viewer } = this;
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    c.fillStyle = "#000";
    c.fillRect(0, 0, ...this.size);
    const slice = this.slice;
    const volume = this.phase.volume;
    const inside = slice >= 0 && slice < this.plane.depth;
    const values = inside && volume ? this.values(volume, slice) : null;
    if (!values) {
      this.say(inside ? EMPTY_TEXT.waiting : EMPTY_TEXT.outside);
      this.describe(slice, inside);
      return;
    }
    this.paintImage(values, volume);
    this.place(this.image);
    if (viewer.mapShown(this.phase)) this.paintMap(slice);
    if (viewer.masksShown) this.paintMasks(slice);
    this.paintCrosshair();
    for (const annotation of viewer.annotations) {
      if (annotation.phase !== this.phase.id || annotation.view !== this.view) continue;
      if (Math.abs(this.sliceOf(annotation.points[0]) - slice) < 0.5) drawAnnotation(c, this, annotation, annotation === viewer.chosen);
    }
    viewer.tool?.paint?.(c, this);
    this.paintLetters();
    this.paintScaleBar();
    // On the image itself: a screenshot and the full screen leave the page's own notice behind.
    if (viewer.data.synthetic) this.text("synthetic", this.size[0] - 8, this.size[1] - 10, "right");
    this.describe(slice, true);
  }

  values(volume, slice) {
    const key = `${slice}:${volume.arrived}`;
    if (this.cache.valuesKey !== key) {
      const first = volume.slices.find(Boolean);
      this.cache.values = first ? this.plane.extract((k) => volume.slices[k], slice, first.constructor) : null;
      this.cache.valuesKey = key;
      this.cache.windowKey = null;
    }
    return this.cache.values;
  }

  paintImage(values, volume) {
    const { low, high } = this.viewer.windowOf(volume);
    const key = `${low}:${high}`;
    if (this.cache.windowKey === key) return;
    this.cache.windowKey = key;
    const out = this.image.fit(this.plane.width, this.plane.height);
    const scale = 255 / Math.max(1e-9, high - low);
    const shift = -low * scale;
    for (let at = 0; at < values.length; at++) {
      let grey = values[at] * scale + shift;
      grey = grey < 0 ? 0 : grey > 255 ? 255 : grey | 0;
      out[at] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
    }
    this.image.put();
  }

  place(buffer) {
    const [x, y] = this.fromPixel([-0.5, -0.5]);
    const scale = this.scale;
    this.context.imageSmoothingEnabled = true;
    const { width, height, spacingU, spacingV } = this.plane;
    this.context.drawImage(buffer.canvas, x, y, width * spacingU * scale, height * spacingV * scale);
  }

  paintMap(slice) {
    const map = this.phase.map;
    const key = `${map.id}:${slice}`;
    if (this.cache.mapKey !== key) {
      this.cache.mapKey = key;
      const values = this.plane.extract((k) => map.volume.slices[k], slice, Uint8Array);
      const out = this.heat.fit(this.plane.width, this.plane.height);
      out.fill(0);
      if (values) for (let at = 0; at < values.length; at++) out[at] = MAP_TABLE[values[at]];
      this.heat.put();
    }
    this.context.globalAlpha = this.viewer.mapOpacity;
    this.place(this.heat);
    this.context.globalAlpha = 1;
  }

  paintMasks(slice) {
    const { viewer, phase } = this;
    const parts = [];
    if (phase.labels) {
      const bits = viewer.visibleBits(phase);
      parts.push({ source: phase.labels, bits, colours: viewer.colours, proposals: viewer.proposals });
    }
    const edit = viewer.edit;
    if (viewer.workbench.drawsOn(phase)) parts.push({ source: edit.drawing, bits: 1, colours: { 1: edit.colour }, proposals: 0 });
    for (const part of parts) this.paintPart(part, slice);
  }

  paintPart({ source, bits, colours, proposals }, slice) {
    const drawn = marks(source, this.plane, slice, bits, colours, this.viewer.maskStyle === "fill");
    if (!drawn) return;
    const c = this.context;
    const scale = this.scale;
    const [x, y] = this.fromPixel([-0.5, -0.5]);
    if (drawn.fill) {
      c.globalAlpha = 0.35;
      c.imageSmoothingEnabled = false;
      const { width, height, spacingU, spacingV } = this.plane;
      c.drawImage(drawn.fill.canvas, x, y, width * spacingU * scale, height * spacingV * scale);
      c.globalAlpha = 1;
    }
    c.save();
    c.translate(x, y);
    c.scale(scale, scale);
    c.lineWidth = 1.6 / scale;
    for (const [bit, path] of drawn.paths) {
      c.strokeStyle = rgb(colours[bit] ?? [255, 255, 255]);
      c.setLineDash(bit & proposals ? [4 / scale, 3 / scale] : []);
      c.stroke(path);
    }
    c.restore();
  }

  paintCrosshair() {
    if (!this.viewer.crosshairShown) return;
    const [x, y] = this.fromMm(this.viewer.positionOf(this.phase));
    const c = this.context;
    const gap = 14;
    c.strokeStyle = "rgba(240,215,70,0.75)";
    c.lineWidth = 1;
    c.beginPath();
    for (const [x1, y1, x2, y2] of [
      [0, y, x - gap, y], [x + gap, y, this.size[0], y], [x, 0, x, y - gap], [x, y + gap, x, this.size[1]],
    ]) {
      c.moveTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
      c.lineTo(Math.round(x2) + 0.5, Math.round(y2) + 0.5);
    }
    c.stroke();
  }

  paintLetters() {
    const { left, right, top, bottom } = this.plane.letters();
    const [w, h] = this.size;
    this.text(left, 6, h / 2, "left");
    this.text(right, w - 6, h / 2, "right");
    this.text(top, w / 2, 14, "center");
    this.text(bottom, w / 2, h - 8, "center");
  }

  paintScaleBar() {
    const wanted = this.size[0] / 4 / this.scale;
    const mm = [200, 100, 50, 20, 10, 5, 2, 1].find((v) => v <= wanted) ?? 1;
    const length = mm * this.scale;
    const y = this.size[1] - 12;
    const c = this.context;
    c.strokeStyle = "#e8eef2";
    c.lineWidth = 2;
    c.beginPath();
    c.moveTo(10, y - 4);
    c.lineTo(10, y);
    c.lineTo(10 + length, y);
    c.lineTo(10 + length, y - 4);
    c.stroke();
    this.text(`${mm} mm`, 10, y - 8, "left");
  }

  say(text) {
    this.text(text, this.size[0] / 2, this.size[1] / 2, "center", "#9fb0bb");
  }

  text(text, x, y, align, colour = "#e8eef2") {
    const c = this.context;
    c.font = "12px system-ui, sans-serif";
    c.textAlign = align;
    c.lineWidth = 3;
    c.strokeStyle = "rgba(0,0,0,0.75)";
    c.strokeText(text, x, y);
    c.fillStyle = colour;
    c.fillText(text, x, y);
  }

  // ---- words in the head ----------------------------------------------------------------------------------------

  describe(slice, inside) {
    this.element.dataset.slice = String(slice + 1);
    const hovered = this.viewer.hovered;
    const mm = hovered?.pane === this ? hovered.mm : this.viewer.positionOf(this.phase);
    const index = this.phase.grid.toIndex(mm).map(Math.round);
    const value = this.phase.volume && this.phase.grid.contains(index) ? this.phase.volume.value(...index) : NaN;
    const unit = this.viewer.data.modality === "CT" ? " HU" : "";
    const read = Number.isFinite(value) ? `${formatted(value)}${unit}` : "";
    setText(this.element.querySelector(".hb-info"), `${inside ? slice + 1 : "–"}/${this.plane.depth}${read ? ` · ${read}` : ""}`);
  }
}

export function formatted(value) {
  return Math.abs(value) < 10 && !Number.isInteger(value) ? value.toFixed(2) : String(Math.round(value));
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
