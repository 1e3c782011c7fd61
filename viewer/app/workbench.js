// The segmentation workbench: which mask is drawn on which phase, what the server does to it, and saving it.

import { Drawing } from "./labels.js";

const SMOOTHING_MM = 2;

export class Workbench {
  constructor(viewer) {
    this.viewer = viewer;
    this.wired = false;
  }

  part(name) {
    return this.viewer.part(name);
  }

  // ---- from Python ----------------------------------------------------------------------------------------------

  update(data) {
    if (!this.wired) this.wire(data);
    this.part("edit").hidden = !data.can_draw;
    this.fillTargets(data);
    const edit = this.viewer.edit;
    if (edit?.saving && data.saved === edit.saving) {
      edit.saved = true;
      this.labelsArrived(edit.phase);
    } else if (edit?.saving && data.refused === edit.saving) {
      edit.saving = null;
      this.tell("Not saved: the page says why.");
    }
  }

  // The drawing stays on screen until the stored mask has taken its place.
  labelsArrived(phase) {
    const edit = this.viewer.edit;
    if (edit?.saved && edit.phase === phase && phase.labelsShown === phase.labels_id) this.stop();
  }

  fillTargets(data) {
    const select = this.part("target");
    const wanted = select.value;
    const options = data.targets.map((t) => Object.assign(document.createElement("option"), { value: t.key, textContent: t.name }));
    select.replaceChildren(...options);
    if (data.targets.some((t) => t.key === wanted)) select.value = wanted;
  }

  wire(data) {
    this.wired = true;
    const on = (name, event, act) => this.part(name).addEventListener(event, act);
    on("start", "click", () => this.start());
    on("discard", "click", () => this.stop());
    on("save", "click", () => this.save());
    on("undo", "click", () => this.undo());
    on("redo", "click", () => this.redo());
    on("between", "click", () => this.operate("fill_between_slices", { axis: this.viewer.edit.plane?.w ?? 2 }));
    on("holes", "click", () => this.operate("fill_holes", {}));
    on("smooth", "click", () => this.operate("smooth", { mm: SMOOTHING_MM }));
    on("radius", "input", (e) => this.viewer.edit && (this.viewer.edit.radius = Number(e.target.value) || 1));
    for (const name of ["threshold", "low", "high"]) on(name, "input", () => this.readThreshold());
    this.part("reader").value = data.reader ?? "";
  }

  // ---- drawing --------------------------------------------------------------------------------------------------

  start() {
    const { viewer } = this;
    const target = viewer.data.targets.find((t) => t.key === this.part("target").value);
    const phase = viewer.phases.find((p) => p.phase === target.phase) ?? viewer.active;
    if (target.bit && !phase.labels) return this.viewer.say("The masks are still loading.");
    viewer.edit = {
      target,
      phase,
      bit: target.bit ?? 0,
      colour: target.colour,
      drawing: target.bit ? phase.labels.drawing(target.bit) : new Drawing(phase.grid),
      radius: Number(this.part("radius").value) || 6,
      threshold: null,
    };
    this.readThreshold();
    this.show(true);
    const panes = viewer.panes.filter((p) => p.plane);
    if (!panes.some((p) => this.drawsOn(p.phase))) viewer.showPhase(panes[0], phase);
    viewer.chooseTool(viewer.drawingTools.brush);
    this.changed();
  }

  stop() {
    this.viewer.edit = null;
    this.show(false);
    if (Object.values(this.viewer.drawingTools).includes(this.viewer.tool)) this.viewer.chooseTool(this.viewer.tools.crosshair);
    this.viewer.redraw();
  }

  show(drawing) {
    this.part("drawing").hidden = !drawing;
    this.part("start").hidden = drawing;
    this.part("target").disabled = drawing;
    this.viewer.root.dataset.drawing = drawing ? this.viewer.edit.target.key : "";
  }

  // Phases on the very same grid share the drawing; on another grid it would need resampling.
  drawsOn(phase) {
    const edit = this.viewer.edit;
    return Boolean(edit) && (edit.phase === phase || sameGrid(edit.phase.grid, phase.grid));
  }

  // Whether a stroke may go onto this pane: an empty drawing moves to the phase it is begun on.
  accepts(pane) {
    const edit = this.viewer.edit;
    if (!edit || edit.saving) return false;
    if (this.drawsOn(pane.phase)) return Boolean(pane.phase.volume);
    if (edit.drawing.voxels === 0 && !edit.bit) {
      edit.phase = pane.phase;
      edit.drawing = new Drawing(pane.phase.grid);
      return Boolean(pane.phase.volume);
    }
    this.tell(`This mask is drawn on ${edit.phase.phase}: that phase has another grid.`);
    return false;
  }

  changed() {
    const { edit } = this.viewer;
    if (!edit) return;
    const ml = edit.drawing.voxels * edit.phase.grid.voxelMl;
    this.tell(`${edit.target.name} on ${edit.phase.phase}: ${ml.toFixed(2)} mL`);
    this.part("undo").disabled = !edit.drawing.done.length;
    this.part("redo").disabled = !edit.drawing.undone.length;
    this.part("save").disabled = !edit.drawing.voxels;
    this.viewer.redraw();
  }

  undo() {
    this.viewer.edit?.drawing.undo();
    this.changed();
  }

  redo() {
    this.viewer.edit?.drawing.redo();
    this.changed();
  }

  setRadius(by) {
    const input = this.part("radius");
    input.value = String(Math.min(60, Math.max(1, Number(input.value) + by)));
    if (this.viewer.edit) this.viewer.edit.radius = Number(input.value);
    this.viewer.redraw();
  }

  readThreshold() {
    const on = this.part("threshold").checked;
    this.part("range").hidden = !on;
    const { viewer } = this;
    if (on && this.part("low").value === "") {
      const { low, high } = viewer.windowOf((viewer.edit?.phase ?? viewer.active).volume);
      this.part("low").value = String(Math.round(low));
      this.part("high").value = String(Math.round(high));
    }
    if (viewer.edit) viewer.edit.threshold = on ? [Number(this.part("low").value), Number(this.part("high").value)] : null;
  }

  tell(text) {
    this.part("drawn").textContent = text;
  }

  // ---- the server's part ----------------------------------------------------------------------------------------

  async grow(pane, mm) {
    if (!this.accepts(pane)) return;
    await this.operate("grow", { point_mm_lps: mm, spread: Number(this.part("spread").value) || 2.5 }, pane.phase);
  }

  async operate(operation, parameters, phase = this.viewer.edit.phase) {
    const { edit } = this.viewer;
    this.tell("Working…");
    const mask = await edit.drawing.packed();
    const answer = await fetch(new URL(phase.operation_url, location.origin), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ operation, parameters, mask }),
    }).catch(() => null);
    const found = answer && (await answer.json().catch(() => null));
    if (this.viewer.edit !== edit) return;
    if (!answer?.ok || !found?.mask) {
      // Saving makes the page's links anew; reloading would lose the drawing.
      const expired = answer?.status === 403 && "This page has been open for long. Save the mask, then go on.";
      this.tell(expired || found?.error || "The server did not answer. Try again.");
      return;
    }
    edit.drawing.become(await Drawing.unpacked(edit.phase.grid, found.mask));
    this.changed();
    if (found.note) this.tell(found.note);
  }

  async save() {
    const { edit, component } = this.viewer;
    if (!edit || edit.saving) return;
    edit.saving = Date.now();
    this.tell("Saving…");
    const mask = await edit.drawing.packed();
    component.setTriggerValue("mask", {
      at: edit.saving,
      phase: edit.phase.phase,
      label: edit.target.label,
      lesion: edit.target.lesion,
      reader: this.part("reader").value.trim(),
      mask,
    });
  }
}

function sameGrid(a, b) {
  const close = (x, y) => x.every((v, i) => Math.abs(v - y[i]) < 1e-4);
  return close(a.size, b.size) && close(a.spacing, b.spacing) && close(a.origin, b.origin) && close(a.direction, b.direction);
}
