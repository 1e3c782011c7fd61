// How a grid is looked at: axial, coronal and sagittal planes along its own axes, drawn as radiologists read them.
//
// On screen, right is the patient's left in axial and coronal views and the patient's back in sagittal ones; down is
// the back in axial views and the feet in the others. An oblique grid is shown along its own axes, with letters that
// say so (for example "LA"): voxels are not resampled.

const VIEWS = {
  axial: { right: [1, 0, 0], down: [0, 1, 0] },
  coronal: { right: [1, 0, 0], down: [0, 0, -1] },
  sagittal: { right: [0, 1, 0], down: [0, 0, -1] },
};
const LETTERS = [["R", "L"], ["A", "P"], ["I", "S"]];
// A direction's second letter is named once it is more than about 20 degrees off the first.
const NAMED_FROM = 0.34;

export class Plane {
  constructor(grid, view) {
    this.grid = grid;
    this.view = view;
    const { right, down } = VIEWS[view];
    const taken = nearestAxes(grid);
    this.u = pick(taken, right);
    this.v = pick(taken, down);
    this.w = 3 - this.u.axis - this.v.axis;
    this.width = grid.size[this.u.axis];
    this.height = grid.size[this.v.axis];
    this.depth = grid.size[this.w];
    this.spacingU = grid.spacing[this.u.axis];
    this.spacingV = grid.spacing[this.v.axis];
    this.key = `${view}:${this.u.axis}${this.u.sign}${this.v.axis}${this.v.sign}`;
  }

  // Column and row (continuous, 0 at the first pixel's middle) and slice of a voxel index.
  fromIndex(index) {
    const u = index[this.u.axis];
    const v = index[this.v.axis];
    return [this.u.sign > 0 ? u : this.width - 1 - u, this.v.sign > 0 ? v : this.height - 1 - v, index[this.w]];
  }

  toIndex(column, row, slice) {
    const index = [0, 0, 0];
    index[this.u.axis] = this.u.sign > 0 ? column : this.width - 1 - column;
    index[this.v.axis] = this.v.sign > 0 ? row : this.height - 1 - row;
    index[this.w] = slice;
    return index;
  }

  // Letters at the left, right, top and bottom edge.
  letters() {
    const right = scaled(this.grid.axis(this.u.axis), this.u.sign);
    const down = scaled(this.grid.axis(this.v.axis), this.v.sign);
    return { left: letter(scaled(right, -1)), right: letter(right), top: letter(scaled(down, -1)), bottom: letter(down) };
  }

  // Voxels of a slice, row by row as drawn; `read(k)` gives the grid's k-th stored slice or nothing.
  extract(read, slice, Type) {
    const out = new Type(this.width * this.height);
    const nx = this.grid.size[0];
    const { u, v, width, height } = this;
    if (this.w === 2) {
      const stored = read(slice);
      if (!stored) return null;
      const stepU = (u.axis === 0 ? 1 : nx) * u.sign;
      const stepV = (v.axis === 0 ? 1 : nx) * v.sign;
      const [i, j] = this.toIndex(0, 0, slice);
      const start = j * nx + i;
      if (stepU === 1 && stepV === nx) return stored;
      for (let row = 0, at = 0; row < height; row++) {
        for (let column = 0, from = start + row * stepV; column < width; column++, at++, from += stepU) out[at] = stored[from];
      }
      return out;
    }
    // One of the plane's own axes runs through the stored slices.
    const across = u.axis === 2;
    const outer = across ? width : height;
    const inner = across ? height : width;
    const innerAxis = across ? v : u;
    const stepInner = (innerAxis.axis === 0 ? 1 : nx) * innerAxis.sign;
    let any = false;
    for (let o = 0; o < outer; o++) {
      const index = across ? this.toIndex(o, 0, slice) : this.toIndex(0, o, slice);
      const stored = read(index[2]);
      if (!stored) continue;
      any = true;
      let from = index[1] * nx + index[0];
      let at = across ? o : o * width;
      const stepAt = across ? width : 1;
      for (let n = 0; n < inner; n++, from += stepInner, at += stepAt) out[at] = stored[from];
    }
    return any ? out : null;
  }
}

// For each patient axis (L, P, S) the grid axis that runs most along it; each grid axis serves once.
function nearestAxes(grid) {
  const pairs = [];
  for (let patient = 0; patient < 3; patient++) {
    for (let axis = 0; axis < 3; axis++) pairs.push([Math.abs(grid.axis(axis)[patient]), patient, axis]);
  }
  pairs.sort((a, b) => b[0] - a[0]);
  const found = [null, null, null];
  const used = new Set();
  for (const [, patient, axis] of pairs) {
    if (found[patient] !== null || used.has(axis)) continue;
    found[patient] = { axis, sign: grid.axis(axis)[patient] < 0 ? -1 : 1 };
    used.add(axis);
  }
  return found;
}

function pick(axes, direction) {
  const patient = direction.findIndex((v) => v !== 0);
  return { axis: axes[patient].axis, sign: axes[patient].sign * direction[patient] };
}

function letter(direction) {
  return direction
    .map((v, patient) => ({ size: Math.abs(v), name: LETTERS[patient][v < 0 ? 0 : 1] }))
    .filter((part) => part.size > NAMED_FROM)
    .sort((a, b) => b.size - a.size)
    .map((part) => part.name)
    .join("");
}

function scaled(direction, by) {
  return direction.map((v) => v * by);
}
