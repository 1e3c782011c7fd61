// Measurements: points in patient mm on one slice of one phase, with what they measure; and how they are drawn.

import { formatted } from "./pane.js";

const COLOUR = "#7fd6ff";
export const KINDS = { length: 2, angle: 3, axes: 4, ellipse: 2, freehand: Infinity };

export function distance(a, b) {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

// In words, with units; null until all points are there.
export function result(annotation, pane, modality) {
  const { kind, points } = annotation;
  if (kind === "length") return `${distance(points[0], points[1]).toFixed(1)} mm`;
  if (kind === "angle") return points.length < 3 ? null : `${angle(points).toFixed(1)}°`;
  if (kind === "axes") {
    const [a, b] = [distance(points[0], points[1]), distance(points[2], points[3])];
    return `long ${Math.max(a, b).toFixed(1)} × short ${Math.min(a, b).toFixed(1)} mm`;
  }
  const found = statistics(annotation, pane);
  if (!found) return null;
  const unit = modality === "CT" ? " HU" : "";
  return `mean ${found.mean.toFixed(1)}${unit}, SD ${found.sd.toFixed(1)}, ${formatted(found.min)} to ${formatted(found.max)}, ${(found.area / 100).toFixed(2)} cm²`;
}

function angle([a, corner, b]) {
  const u = a.map((v, i) => v - corner[i]);
  const w = b.map((v, i) => v - corner[i]);
  const dot = u[0] * w[0] + u[1] * w[1] + u[2] * w[2];
  return (Math.acos(Math.min(1, Math.max(-1, dot / (Math.hypot(...u) * Math.hypot(...w))))) * 180) / Math.PI;
}

// Mean, sample SD, extremes and area (mm²) of the voxels whose middle lies inside the shape on its slice.
export function statistics(annotation, pane) {
  const { plane, phase } = pane;
  const shape = annotation.points.map((p) => plane.fromIndex(phase.grid.toIndex(p)));
  const slice = Math.round(shape[0][2]);
  const inside = annotation.kind === "ellipse" ? inEllipse(shape) : (x, y) => inPolygon(shape, x, y);
  const columns = shape.map((p) => p[0]);
  const rows = shape.map((p) => p[1]);
  let [n, sum, squares, min, max] = [0, 0, 0, Infinity, -Infinity];
  for (let row = Math.ceil(Math.min(...rows)); row <= Math.max(...rows); row++) {
    for (let column = Math.ceil(Math.min(...columns)); column <= Math.max(...columns); column++) {
      if (!inside(column, row)) continue;
      const index = plane.toIndex(column, row, slice);
      if (!phase.grid.contains(index)) continue;
      const value = phase.volume.value(...index);
      if (!Number.isFinite(value)) continue;
      n += 1;
      sum += value;
      squares += value * value;
      min = Math.min(min, value);
      max = Math.max(max, value);
    }
  }
  if (!n) return null;
  const mean = sum / n;
  const sd = n > 1 ? Math.sqrt(Math.max(0, (squares - n * mean * mean) / (n - 1))) : 0;
  return { n, mean, sd, min, max, area: n * plane.spacingU * plane.spacingV };
}

function inEllipse([a, b]) {
  const [cx, cy, rx, ry] = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2, Math.abs(a[0] - b[0]) / 2, Math.abs(a[1] - b[1]) / 2];
  return (x, y) => rx > 0 && ry > 0 && ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1;
}

export function inPolygon(points, x, y) {
  let inside = false;
  for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
    const [xi, yi] = points[i];
    const [xj, yj] = points[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

export function drawAnnotation(c, pane, annotation, chosen) {
  const at = annotation.points.map((p) => pane.fromMm(p));
  c.strokeStyle = COLOUR;
  c.fillStyle = COLOUR;
  c.lineWidth = chosen ? 2.2 : 1.4;
  c.beginPath();
  if (annotation.kind === "ellipse") {
    const [[x1, y1], [x2, y2]] = at;
    c.ellipse((x1 + x2) / 2, (y1 + y2) / 2, Math.abs(x2 - x1) / 2, Math.abs(y2 - y1) / 2, 0, 0, 2 * Math.PI);
  } else if (annotation.kind === "axes") {
    c.moveTo(...at[0]);
    c.lineTo(...at[1]);
    c.moveTo(...at[2]);
    c.lineTo(...at[3]);
  } else {
    at.forEach((p, i) => (i ? c.lineTo(...p) : c.moveTo(...p)));
    if (annotation.kind === "freehand") c.closePath();
  }
  c.stroke();
  if (annotation.kind !== "freehand") for (const [x, y] of at) c.fillRect(x - 2.5, y - 2.5, 5, 5);
  if (annotation.text) {
    const right = at.reduce((a, b) => (b[0] > a[0] ? b : a));
    const lines = annotation.text.split(", ");
    const left = right[0] + 8 > pane.size[0] - 110 ? Math.min(...at.map((p) => p[0])) - 8 : right[0] + 8;
    lines.forEach((line, i) => pane.text(line, left, right[1] + 14 * i, left < right[0] ? "right" : "left", COLOUR));
  }
}
