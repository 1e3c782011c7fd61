// Marked structures on a phase's grid: one bit a structure in each voxel, kept only for slices where something is.

let serial = 0;

export class Labels {
  constructor(grid) {
    this.serial = ++serial;
    this.grid = grid;
    this.slices = new Array(grid.size[2]).fill(null);
    this.revision = 0;
  }

  static async load(loader, url, grid) {
    const labels = new Labels(grid);
    const volume = await loader.volume({ url, grid });
    volume.slices.forEach((slice, k) => {
      // A copy: the slice itself would keep the whole slab it came in alive.
      if (slice.some((v) => v !== 0)) labels.slices[k] = slice.slice();
    });
    return labels;
  }

  // A structure of its own as a drawing: which voxels carry `bit`.
  drawing(bit) {
    const drawing = new Drawing(this.grid);
    this.slices.forEach((slice, k) => {
      if (!slice || !slice.some((v) => v & bit)) return;
      drawing.slices[k] = Uint8Array.from(slice, (v) => (v & bit ? 1 : 0));
    });
    return drawing;
  }
}

// The mask being drawn. A change is a list of flat voxel indices that turned over, so undo turns them back.
export class Drawing {
  constructor(grid) {
    this.serial = ++serial;
    this.grid = grid;
    this.area = grid.size[0] * grid.size[1];
    this.slices = new Array(grid.size[2]).fill(null);
    this.undone = [];
    this.done = [];
    this.stroke = null;
    this.revision = 0;
  }

  begin() {
    this.stroke = [];
  }

  set(i, j, k, on) {
    const at = j * this.grid.size[0] + i;
    let slice = this.slices[k];
    if (!slice) {
      if (!on) return;
      slice = this.slices[k] = new Uint8Array(this.area);
    }
    if (slice[at] === (on ? 1 : 0)) return;
    slice[at] = on ? 1 : 0;
    this.stroke?.push(k * this.area + at);
    this.revision += 1;
  }

  end() {
    if (this.stroke?.length) {
      this.done.push(Float64Array.from(this.stroke));
      this.undone = [];
    }
    this.stroke = null;
  }

  undo() {
    this.turn(this.done, this.undone);
  }

  redo() {
    this.turn(this.undone, this.done);
  }

  turn(from, to) {
    const change = from.pop();
    if (!change) return;
    for (const flat of change) {
      const k = Math.floor(flat / this.area);
      const slice = (this.slices[k] ??= new Uint8Array(this.area));
      slice[flat - k * this.area] ^= 1;
    }
    this.revision += 1;
    to.push(change);
  }

  // Becomes `other`, as one step that can be undone.
  become(other) {
    this.begin();
    const nx = this.grid.size[0];
    for (let k = 0; k < this.slices.length; k++) {
      const mine = this.slices[k];
      const theirs = other.slices[k];
      if (!mine && !theirs) continue;
      for (let at = 0; at < this.area; at++) {
        const on = theirs ? theirs[at] : 0;
        if ((mine ? mine[at] : 0) !== on) this.set(at % nx, Math.floor(at / nx), k, on);
      }
    }
    this.end();
  }

  get voxels() {
    let count = 0;
    for (const slice of this.slices) if (slice) for (let at = 0; at < slice.length; at++) count += slice[at];
    return count;
  }

  box() {
    const [nx] = this.grid.size;
    const low = [Infinity, Infinity, Infinity];
    const high = [-1, -1, -1];
    this.slices.forEach((slice, k) => {
      if (!slice) return;
      for (let at = 0; at < slice.length; at++) {
        if (!slice[at]) continue;
        const index = [at % nx, Math.floor(at / nx), k];
        for (let axis = 0; axis < 3; axis++) {
          low[axis] = Math.min(low[axis], index[axis]);
          high[axis] = Math.max(high[axis], index[axis]);
        }
      }
    });
    return high[0] < 0 ? null : { low, size: high.map((h, axis) => h - low[axis] + 1) };
  }

  // What goes back to Python: the box around what is marked, its voxels (x fastest) gzipped in base64.
  async packed() {
    const box = this.box();
    if (!box) return null;
    const [nx] = this.grid.size;
    const voxels = new Uint8Array(box.size[0] * box.size[1] * box.size[2]);
    let to = 0;
    for (let k = 0; k < box.size[2]; k++) {
      const slice = this.slices[box.low[2] + k];
      for (let j = 0; j < box.size[1]; j++, to += box.size[0]) {
        if (!slice) continue;
        const from = (box.low[1] + j) * nx + box.low[0];
        voxels.set(slice.subarray(from, from + box.size[0]), to);
      }
    }
    return { size: this.grid.size, box, voxels: await packBytes(voxels) };
  }

  static async unpacked(grid, message) {
    const drawing = new Drawing(grid);
    const { low, size } = message.box;
    const voxels = await unpackBytes(message.voxels);
    const [nx] = grid.size;
    for (let k = 0; k < size[2]; k++) {
      const slice = (drawing.slices[low[2] + k] = new Uint8Array(drawing.area));
      for (let j = 0; j < size[1]; j++) {
        const from = (k * size[1] + j) * size[0];
        slice.set(voxels.subarray(from, from + size[0]), (low[1] + j) * nx + low[0]);
      }
    }
    return drawing;
  }
}

async function packBytes(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer());
  let text = "";
  for (let at = 0; at < packed.length; at += 8192) text += String.fromCharCode(...packed.subarray(at, at + 8192));
  return btoa(text);
}

async function unpackBytes(text) {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
