// What dragging on an image does. A tool has `down`, `move` and `up`, each given the pane and the point in CSS pixels.

import { distance, KINDS, result } from "./measure.js";

const HANDLE_PX = 9;
const FREEHAND_STEP_PX = 4;

export function makeTools(viewer) {
  return {
    crosshair: {
      label: "Crosshair", key: "x", title: "Move the crosshair in all phases",
      down: (pane, point) => viewer.moveTo(pane.toMm(point), pane),
      move: (pane, point) => viewer.moveTo(pane.toMm(point), pane),
    },
    window: {
      label: "Window", key: "w", title: "Drag: sideways width, up and down level (also the right button)",
      move: (pane, point, change) => viewer.dragWindow(change),
    },
    pan: { label: "Pan", key: "p", title: "Drag the image (also the middle button)", move: (pane, point, change) => viewer.pan(pane, change) },
    zoom: {
      label: "Zoom", key: "z", title: "Drag up or down (also Ctrl and the wheel)",
      down: (pane, point) => (viewer.zoomPoint = point),
      move: (pane, point, change) => viewer.zoomBy(pane, Math.exp(-change[1] / 150), viewer.zoomPoint),
    },
    length: new MeasureTool(viewer, "length", "Length", "l", "Drag from end to end"),
    angle: new MeasureTool(viewer, "angle", "Angle", "a", "Click an end, the corner, the other end"),
    axes: new MeasureTool(viewer, "axes", "Axes", "b", "Drag the long axis; then move the ends of the short one"),
    ellipse: new MeasureTool(viewer, "ellipse", "Ellipse", "e", "Drag an ellipse: mean, SD, range, area"),
    freehand: new MeasureTool(viewer, "freehand", "Freehand", "f", "Draw around an area: mean, SD, range, area"),
  };
}

class MeasureTool {
  constructor(viewer, kind, label, key, title) {
    Object.assign(this, { viewer, kind, label, key, title });
  }

  down(pane, point) {
    const held = handleAt(this.viewer, pane, point);
    if (held) {
      this.held = held;
      this.viewer.chosen = held.annotation;
      return;
    }
    const mm = pane.toMm(point);
    if (this.kind === "angle" && this.open) {
      this.open.points.push(mm);
      this.held = { annotation: this.open, point: this.open.points.length - 1 };
      return;
    }
    const annotation = { kind: this.kind, phase: pane.phase.id, view: pane.view, points: this.kind === "freehand" ? [mm] : [mm, mm], text: "" };
    this.viewer.annotations.push(annotation);
    this.viewer.chosen = annotation;
    this.open = annotation;
    this.held = { annotation, point: 1, fresh: true };
    this.last = point;
  }

  move(pane, point) {
    if (!this.held || this.held.annotation.phase !== pane.phase.id) return;
    const { annotation, point: at } = this.held;
    const mm = pane.toMm(point);
    if (this.kind === "freehand" && this.held.fresh) {
      if (Math.hypot(point[0] - this.last[0], point[1] - this.last[1]) >= FREEHAND_STEP_PX) {
        annotation.points.push(mm);
        this.last = point;
      }
    } else {
      annotation.points[at] = mm;
      if (annotation.kind === "axes" && this.held.fresh) annotation.points = withShortAxis(annotation.points, pane);
    }
    this.measured(annotation, pane);
  }

  up(pane) {
    if (!this.held) return;
    const { annotation, fresh } = this.held;
    this.held = null;
    if (annotation.kind === "angle") {
      // A click gives one point; a drag gave an arm of the angle at once.
      if (fresh && spread(annotation.points) < 1) annotation.points.pop();
      if (annotation.points.length === 3) this.open = null;
    } else {
      this.open = null;
      if (fresh && spread(annotation.points) < 1) this.viewer.removeAnnotation(annotation);
    }
    this.measured(annotation, pane);
    this.viewer.listAnnotations();
  }

  measured(annotation, pane) {
    annotation.text = result(annotation, pane, this.viewer.data.modality) ?? "";
    this.viewer.redraw();
  }
}

function spread(points) {
  return Math.max(...points.map((p) => distance(p, points[0])));
}

// Half as long as the long axis, across its middle, in the plane of the slice.
function withShortAxis([a, b], pane) {
  const [x1, y1] = pane.fromMm(a);
  const [x2, y2] = pane.fromMm(b);
  const [mx, my] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const [dx, dy] = [(y2 - y1) / 4, (x1 - x2) / 4];
  return [a, b, pane.toMm([mx + dx, my + dy]), pane.toMm([mx - dx, my - dy])];
}

function handleAt(viewer, pane, point) {
  for (const annotation of viewer.annotations) {
    if (annotation.phase !== pane.phase.id || annotation.view !== pane.view || annotation.kind === "freehand") continue;
    if (Math.abs(pane.sliceOf(annotation.points[0]) - pane.slice) >= 0.5) continue;
    const at = annotation.points.findIndex((p) => {
      const [x, y] = pane.fromMm(p);
      return Math.hypot(x - point[0], y - point[1]) < HANDLE_PX;
    });
    if (at >= 0) return { annotation, point: at };
  }
  return null;
}
