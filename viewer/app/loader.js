// Fetching volumes: one worker at a time reads and unpacks, and hands slabs of slices over as they come.

import { Volume } from "./volume.js";

export class Loader {
  constructor() {
    this.waiting = [];
    this.busy = false;
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
    if (this.busy || this.closed || !this.waiting.length) return;
    this.busy = true;
    const { request, onSlab, resolve, reject } = this.waiting.shift();
    this.worker ??= new Worker(new URL("./loader.worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => {
      if (data.voxels) onSlab(data);
      if (!data.done && !data.error) return;
      this.busy = false;
      data.error ? reject(new Error(data.error)) : resolve();
      this.next();
    };
    this.worker.postMessage({ ...request, url: new URL(request.url, location.origin).href });
  }

  close() {
    this.closed = true;
    this.worker?.terminate();
  }
}
