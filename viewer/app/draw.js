// Drawing a mask on one phase: brush, eraser, filled pen or polygon, and growing from a click.

const POLYGON_CLICK_PX = 4;

export function makeDrawingTools(viewer) {
  return {
    brush: new Brush(viewer, true, "Brush", "Paint; hold Shift to erase"),
    eraser: new Brush(viewer, false, "Eraser", "Erase; hold Shift to paint"),
    pen: new Pen(viewer),
    grow: {
      label: "Grow", title: "Click inside the lesion: similar voxels around it are taken",
      down: (pane, point) => viewer.workbench.grow(pane, pane.toMm(point)),
    },
  };
}

class Brush {
  constructor(viewer, on, label, title) {
    Object.assign(this, { viewer, on, label, title });
  }

  down(pane, point, event) {
    if (!this.viewer.workbench.accepts(pane)) return;
    this.paints = event.shiftKey ? !this.on : this.on;
    this.last = null;
    this.viewer.edit.drawing.begin();
    this.move(pane, point);
  }

  move(pane, point) {
    const { edit } = this.viewer;
    if (!edit?.drawing.stroke || pane.phase !== edit.phase) return;
    const to = pane.toPixel(point);
    paintCapsule(pane, this.last ?? to, to, edit, this.paints);
    this.last = to;
    this.viewer.edit.plane = pane.plane;
    this.viewer.redraw();
  }

  up() {
    this.viewer.edit?.drawing.end();
    this.viewer.workbench.changed();
  }

  // The brush as a circle under the pointer.
  paint(context, pane) {
    const { hovered, edit } = this.viewer;
    if (!edit || hovered?.pane !== pane || pane.phase !== edit.phase) return;
    const [x, y] = hovered.point;
    context.strokeStyle = this.on ? "#ffffff" : "#ff9d9d";
    context.lineWidth = 1;
    context.beginPath();
    context.arc(x, y, edit.radius * pane.scale, 0, 2 * Math.PI);
    context.stroke();
  }
}

class Pen {
  constructor(viewer) {
    this.viewer = viewer;
    this.label = "Filled pen";
    this.title = "Draw around an area, or click its corners and double-click to close; Shift takes away";
    this.points = [];
  }

  down(pane, point, event) {
    if (!this.viewer.workbench.accepts(pane)) return;
    if (this.pane && (this.pane !== pane || this.slice !== pane.slice)) this.points = [];
    this.pane = pane;
    this.slice = pane.slice;
    this.takesAway = event.shiftKey;
    this.start = point;
    this.dragged = false;
    this.held = true;
    this.points.push(pane.toPixel(point));
    this.viewer.redraw();
  }

  move(pane, point) {
    if (!this.held || pane !== this.pane) return;
    if (Math.hypot(point[0] - this.start[0], point[1] - this.start[1]) > POLYGON_CLICK_PX) this.dragged = true;
    if (this.dragged) this.points.push(pane.toPixel(point));
    this.viewer.redraw();
  }

  up(pane, point, event) {
    this.held = false;
    if (this.dragged || event?.detail >= 2) this.close();
  }

  close() {
    if (this.points.length > 2 && this.viewer.edit) {
      const { drawing } = this.viewer.edit;
      drawing.begin();
      fillPolygon(this.pane, this.points, this.viewer.edit, !this.takesAway);
      drawing.end();
      this.viewer.edit.plane = this.pane.plane;
      this.viewer.workbench.changed();
    }
    this.points = [];
    this.viewer.redraw();
  }

  paint(context, pane) {
    if (pane !== this.pane || !this.points.length || this.slice !== pane.slice) return;
    context.strokeStyle = "#ffffff";
    context.lineWidth = 1.2;
    context.beginPath();
    this.points.forEach((p, i) => (i ? context.lineTo(...pane.fromPixel(p)) : context.moveTo(...pane.fromPixel(p))));
    context.stroke();
    for (const p of this.points.length < 40 ? this.points : []) {
      const [x, y] = pane.fromPixel(p);
      context.fillStyle = "#ffffff";
      context.fillRect(x - 2, y - 2, 4, 4);
    }
  }
}

// Every pixel within the brush's radius (mm) of the way from `from` to `to`.
function paintCapsule(pane, from, to, edit, on) {
  const { plane } = pane;
  const [su, sv] = [plane.spacingU, plane.spacingV];
  const radius = Math.max(edit.radius, Math.min(su, sv) / 2);
  const [x1, y1, x2, y2] = [from[0] * su, from[1] * sv, to[0] * su, to[1] * sv];
  const length = (x2 - x1) ** 2 + (y2 - y1) ** 2;
  const rows = [Math.floor((Math.min(y1, y2) - radius) / sv), Math.ceil((Math.max(y1, y2) + radius) / sv)];
  const columns = [Math.floor((Math.min(x1, x2) - radius) / su), Math.ceil((Math.max(x1, x2) + radius) / su)];
  for (let row = rows[0]; row <= rows[1]; row++) {
    for (let column = columns[0]; column <= columns[1]; column++) {
      const [x, y] = [column * su, row * sv];
      const t = length ? Math.max(0, Math.min(1, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length)) : 0;
      if ((x - x1 - t * (x2 - x1)) ** 2 + (y - y1 - t * (y2 - y1)) ** 2 <= radius * radius) mark(pane, column, row, edit, on);
    }
  }
}

// Pixels whose middle lies inside, row by row (even-odd rule).
function fillPolygon(pane, points, edit, on) {
  const { height } = pane.plane;
  const ys = points.map((p) => p[1]);
  for (let row = Math.max(0, Math.ceil(Math.min(...ys))); row <= Math.min(height - 1, Math.max(...ys)); row++) {
    const crossings = [];
    for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
      const [[xi, yi], [xj, yj]] = [points[i], points[j]];
      if (yi > row !== yj > row) crossings.push(xi + ((row - yi) * (xj - xi)) / (yj - yi));
    }
    crossings.sort((a, b) => a - b);
    for (let n = 0; n + 1 < crossings.length; n += 2) {
      for (let column = Math.ceil(crossings[n]); column <= crossings[n + 1]; column++) mark(pane, column, row, edit, on);
    }
  }
}

function mark(pane, column, row, edit, on) {
  const { plane, phase } = pane;
  if (column < 0 || row < 0 || column >= plane.width || row >= plane.height) return;
  const [i, j, k] = plane.toIndex(column, row, pane.slice);
  if (on && edit.threshold) {
    const value = phase.volume.value(i, j, k);
    if (!(value >= edit.threshold[0] && value <= edit.threshold[1])) return;
  }
  edit.drawing.set(i, j, k, on);
}
