// What is marked on a slice, ready to be drawn: an outline a structure, and a fill where it is asked for.

const KEPT_SLICES = 24;
const keptMarks = new WeakMap();

// A canvas of its own for pixels that are made once and drawn many times.
export class Buffer2d {
  fit(width, height) {
    if (!this.canvas || this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas = document.createElement("canvas");
      this.canvas.width = width;
      this.canvas.height = height;
      this.context = this.canvas.getContext("2d", { willReadFrequently: true });
      this.data = this.context.createImageData(width, height);
      this.words = new Uint32Array(this.data.data.buffer);
    }
    return this.words;
  }

  put() {
    this.context.putImageData(this.data, 0, 0);
  }
}

// Outlines by bit (and the fill) of a slice, or null where nothing is. Panes that show one label volume share them.
export function marks(source, plane, slice, bits, colours, filled) {
  let kept = keptMarks.get(source);
  if (!kept || kept.revision !== source.revision) keptMarks.set(source, (kept = { revision: source.revision, slices: new Map() }));
  const key = `${plane.key}:${slice}:${bits}:${filled}`;
  if (!kept.slices.has(key)) {
    if (kept.slices.size >= KEPT_SLICES) kept.slices.delete(kept.slices.keys().next().value);
    const Type = source.slices.find(Boolean)?.constructor ?? Uint8Array;
    const marked = plane.extract((k) => source.slices[k], slice, Type);
    let made = null;
    if (marked) {
      made = { paths: outlines(marked, plane, bits), fill: null };
      if (filled) fillColours((made.fill = new Buffer2d()), marked, plane, bits, colours);
    }
    kept.slices.set(key, made);
  }
  return kept.slices.get(key);
}

function fillColours(buffer, marked, plane, bits, colours) {
  const out = buffer.fit(plane.width, plane.height);
  const words = {};
  for (let at = 0; at < marked.length; at++) {
    const on = marked[at] & bits;
    out[at] = on ? (words[on] ??= blended(on, colours)) : 0;
  }
  buffer.put();
}

// Where structures overlap, the lower bit is in front: lesions come before the liver they lie in.
function blended(on, colours) {
  const [r, g, b] = colours[on & -on] ?? [255, 255, 255];
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

// Boundaries between marked and unmarked pixels, as paths in mm from the first pixel's corner. Straight runs are one
// line: a path of single pixel edges takes several times as long to stroke.
function outlines(marked, plane, bits) {
  const paths = new Map();
  const { width, height, spacingU: su, spacingV: sv } = plane;
  const line = (bit, x1, y1, x2, y2) => {
    let path = paths.get(bit);
    if (!path) paths.set(bit, (path = new Path2D()));
    path.moveTo(x1 * su, y1 * sv);
    path.lineTo(x2 * su, y2 * sv);
  };
  const [top, bottom, left, right] = extent(marked, width, height, bits);
  for (let row = top; row <= bottom + 1; row++) {
    let run = 0;
    let from = 0;
    for (let column = left; column <= right + 1; column++) {
      const at = row * width + column;
      const inside = column <= right;
      const here = inside && row <= bottom ? marked[at] & bits : 0;
      const difference = inside ? here ^ (row > top ? marked[at - width] & bits : 0) : 0;
      if (difference === run) continue;
      for (let rest = run; rest; rest &= rest - 1) line(rest & -rest, from, row, column, row);
      run = difference;
      from = column;
    }
  }
  for (let column = left; column <= right + 1; column++) {
    let run = 0;
    let from = 0;
    for (let row = top; row <= bottom + 1; row++) {
      const at = row * width + column;
      const inside = row <= bottom;
      const here = inside && column <= right ? marked[at] & bits : 0;
      const difference = inside ? here ^ (column > left ? marked[at - 1] & bits : 0) : 0;
      if (difference === run) continue;
      for (let rest = run; rest; rest &= rest - 1) line(rest & -rest, column, from, column, row);
      run = difference;
      from = row;
    }
  }
  return paths;
}

// First and last row and column with anything marked; an empty range where nothing is.
function extent(marked, width, height, bits) {
  let [top, bottom, left, right] = [height, -2, width, -2];
  for (let row = 0, at = 0; row < height; row++) {
    for (let column = 0; column < width; column++, at++) {
      if (!(marked[at] & bits)) continue;
      if (row < top) top = row;
      bottom = row;
      if (column < left) left = column;
      if (column > right) right = column;
    }
  }
  return [top, bottom, left, right];
}
