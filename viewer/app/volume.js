// A volume on its own grid: slices of voxels as they arrive, and the way between voxel indices and patient mm (LPS).
//
// Voxels stay in the file's order (x fastest, then y, then z). Nothing is reoriented: planes.js says how a grid is
// looked at, so that a mask drawn on it goes back voxel by voxel.

export class Grid {
  // direction: nine numbers, row by row, as SimpleITK gives them; columns are the axes' directions.
  constructor({ size, spacing, origin, direction }) {
    this.size = size;
    this.spacing = spacing;
    this.origin = origin;
    this.direction = direction;
    const d = direction;
    this.matrix = [0, 1, 2].map((row) => [0, 1, 2].map((axis) => d[row * 3 + axis] * spacing[axis]));
    this.inverse = inverted(this.matrix);
  }

  toMm(index) {
    return this.matrix.map((row, i) => this.origin[i] + row[0] * index[0] + row[1] * index[1] + row[2] * index[2]);
  }

  toIndex(mm) {
    const d = mm.map((v, i) => v - this.origin[i]);
    return this.inverse.map((row) => row[0] * d[0] + row[1] * d[1] + row[2] * d[2]);
  }

  axis(number) {
    return [this.direction[number], this.direction[3 + number], this.direction[6 + number]];
  }

  get centre() {
    return this.toMm(this.size.map((n) => (n - 1) / 2));
  }

  get voxelMl() {
    return (this.spacing[0] * this.spacing[1] * this.spacing[2]) / 1000;
  }

  contains(index) {
    return index.every((v, i) => v >= 0 && v < this.size[i]);
  }
}

export class Volume {
  constructor(grid) {
    this.grid = grid;
    this.slices = new Array(grid.size[2]).fill(null);
    this.arrived = 0;
    this.percentiles = null;
  }

  get complete() {
    return this.arrived === this.slices.length;
  }

  // A slab of whole slices, from slice `first` on.
  take(first, voxels) {
    const area = this.grid.size[0] * this.grid.size[1];
    for (let k = 0; k * area < voxels.length; k++) {
      this.slices[first + k] = voxels.subarray(k * area, (k + 1) * area);
      this.arrived += 1;
    }
  }

  value(i, j, k) {
    const slice = this.slices[k];
    return slice ? slice[j * this.grid.size[0] + i] : NaN;
  }
}

function inverted(m) {
  const [[a, b, c], [d, e, f], [g, h, i]] = m;
  const det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    [(e * i - f * h) / det, (c * h - b * i) / det, (b * f - c * e) / det],
    [(f * g - d * i) / det, (a * i - c * g) / det, (c * d - a * f) / det],
    [(d * h - e * g) / det, (b * g - a * h) / det, (a * e - b * d) / det],
  ];
}
