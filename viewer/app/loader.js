// Fetching volumes: workers read and unpack, and hand slabs of slices over as they come.
//
// The first volume has the machine to itself; when something of it is there, a second worker joins.

import { Volume } from "./volume.js";

const WORKERS = 2;

export class Loader {
  constructor() {
    this.waiting = [];
    this.idle = [];
    this.busy = new Set();
    this.begun = false;
    this.closed = false;
  }

  // Calls onSlab(volume) for each slab; resolves to the volume when all of it is there.
  volume({ url, grid, onSlab = () => {} }) {
    const volume = new Volume(grid);
    return this.queued({ url, area: grid.size[0] * grid.size[1] }, (message) => {
      volume.take(message.first, message.voxels);
      if (message.percentiles) volume.percentiles = message.percentiles;
      onSlab(volume);
    }).then(() => volume);
  }

  queued(request, onSlab) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ request, onSlab, resolve, reject });
      this.next();
    });
  }

  next() {
    if (this.closed || !this.waiting.length || this.busy.size >= (this.begun ? WORKERS : 1)) return;
    const worker = this.idle.pop() ?? new Worker(new URL("./loader.worker.js", import.meta.url), { type: "module" });
    const { request, onSlab, resolve, reject } = this.waiting.shift();
    this.busy.add(worker);
    worker.onmessage = ({ data }) => {
      if (data.voxels) onSlab(data);
      if (data.done || data.error) {
        this.busy.delete(worker);
        this.idle.push(worker);
        data.error ? reject(new Error(data.error)) : resolve();
      }
      this.begun = true;
      this.next();
    };
    worker.postMessage({ ...request, url: new URL(request.url, location.origin).href });
  }

  close() {
    this.closed = true;
    for (const worker of [...this.busy, ...this.idle]) worker.terminate();
  }
}
