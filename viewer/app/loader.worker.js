// Reads a gzipped NIfTI file and posts its voxels in slabs of whole slices, transferred and not copied.

const TYPES = { 2: Uint8Array, 256: Int8Array, 4: Int16Array, 512: Uint16Array, 8: Int32Array, 768: Uint32Array, 16: Float32Array, 64: Float64Array };
const SLAB_BYTES = 8 << 20;
const SAMPLED = 97; // one voxel in so many is looked at for percentiles

self.onmessage = async ({ data }) => {
  try {
    await read(data.url, data.area);
  } catch (error) {
    self.postMessage({ error: error.message });
  }
};

async function read(url, area) {
  const answer = await fetch(url, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  const bytes = new Bytes(answer.body.pipeThrough(new DecompressionStream("gzip")).getReader());
  const header = new DataView((await bytes.take(348)).buffer);
  if (header.getInt32(0, true) !== 348) throw new Error("not a NIfTI file of the store");
  const Type = TYPES[header.getInt16(70, true)];
  if (!Type) throw new Error("a voxel type the viewer does not know");
  const slope = header.getFloat32(112, true);
  const intercept = header.getFloat32(116, true);
  const depth = header.getInt16(46, true);
  await bytes.take(header.getFloat32(108, true) - 348);
  const scaled = slope !== 0 && (slope !== 1 || intercept !== 0);
  const each = Math.max(1, Math.floor(SLAB_BYTES / (area * Type.BYTES_PER_ELEMENT)));
  const samples = [];
  for (let first = 0; first < depth; first += each) {
    const count = Math.min(each, depth - first);
    const raw = new Type((await bytes.take(count * area * Type.BYTES_PER_ELEMENT)).buffer);
    const voxels = scaled || Type === Float64Array ? Float32Array.from(raw, (v) => (scaled ? v * slope + intercept : v)) : raw;
    for (let i = first % SAMPLED; i < voxels.length; i += SAMPLED) samples.push(voxels[i]);
    const last = first + count >= depth;
    self.postMessage({ first, voxels, percentiles: last ? percentiles(samples) : null, done: last }, [voxels.buffer]);
  }
}

// Signal of 0 is air outside the body, where there is any: it says nothing about the contrast of tissue.
function percentiles(samples) {
  const inside = samples.filter((v) => v !== 0);
  const sorted = Float32Array.from(inside.length ? inside : samples).sort();
  return [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.998].reduce((found, p) => {
    found[p] = sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];
    return found;
  }, {});
}

class Bytes {
  constructor(reader) {
    this.reader = reader;
    this.rest = new Uint8Array(0);
  }

  async take(count) {
    const out = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      if (!this.rest.length) {
        const { done, value } = await this.reader.read();
        if (done) throw new Error("the file ends too early");
        this.rest = value;
      }
      const part = this.rest.subarray(0, count - filled);
      out.set(part, filled);
      filled += part.length;
      this.rest = this.rest.subarray(part.length);
    }
    return out;
  }
}
