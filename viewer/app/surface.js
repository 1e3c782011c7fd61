// Tumour and liver as surfaces, turned with the mouse. NiiVue draws them; it is fetched when first asked for.

import { rgb } from "./colours.js";

export class Surface {
  constructor(viewer) {
    this.viewer = viewer;
    this.title = "3D";
    this.element = document.createElement("div");
    this.element.className = "hb-pane";
    this.element.innerHTML =
      '<div class="hb-head"><span class="hb-name">Surfaces</span><span class="hb-info">drag to turn, wheel to zoom</span></div>' +
      '<div class="hb-canvas-box"><canvas tabindex="0" aria-label="Surfaces of tumour and liver in 3D. Drag to turn."></canvas><div class="hb-wait" role="status">Loading…</div></div>';
    this.canvas = this.element.querySelector("canvas");
    this.wait = this.element.querySelector(".hb-wait");
    this.begin();
  }

  async begin() {
    const { surfaces, niivue } = this.viewer.data;
    if (!surfaces.length) {
      this.wait.textContent = "No mask is marked yet.";
      return;
    }
    try {
      const { Niivue, SLICE_TYPE } = await import(new URL(niivue, location.origin).href);
      if (this.closed) return;
      const nv = new Niivue({ backColor: [0, 0, 0, 1], show3Dcrosshair: false, isOrientationTextVisible: true, logLevel: "error" });
      this.nv = nv;
      await nv.attachToCanvas(this.canvas, false);
      nv.setSliceType(SLICE_TYPE.RENDER);
      await nv.loadMeshes(
        surfaces.map((s) => ({ url: new URL(s.url, location.origin).href, name: `${s.key}.stl`, rgba255: [...s.colour, 255], opacity: s.opacity })),
      );
      nv.setRenderAzimuthElevation(160, 12);
      this.wait.remove();
      this.element.dataset.surfaces = String(nv.meshes.length);
      this.element.querySelector(".hb-name").innerHTML = surfaces.map((s) => `<span class="hb-swatch" style="color:${rgb(s.colour)}"></span>${s.name}`).join(" ");
    } catch (error) {
      console.error("viewer: the surfaces could not be shown", error?.message);
      this.wait.textContent = "The surfaces could not be loaded. Reload the page.";
    }
  }

  draw() {
    this.nv?.drawScene();
  }

  close() {
    this.closed = true;
    this.nv?.cleanup?.();
    this.element.remove();
  }
}
