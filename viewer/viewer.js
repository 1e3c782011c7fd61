// The viewer: contrast phases side by side on NiiVue, one crosshair in patient millimetres, masks as a drawing layer.
//
// Streamlit calls the default export on mount and whenever `data` changes; unchanged arguments do not call it at all.
// Panes are known by the volume's id, so a rerun that only adds a mask reloads that mask and nothing else.

const states = new WeakMap();
const LESION_COLOURS = [[255, 150, 0], [86, 180, 233], [0, 158, 115], [204, 121, 167]];
const SHELL_COLOUR = [240, 228, 66];
const SHELL_LABEL = 9;

export default function (component) {
  const { data, parentElement } = component;
  let state = states.get(parentElement);
  if (!state) {
    state = build(parentElement);
    states.set(parentElement, state);
  }
  state.component = component;
  update(state, data);
  return () => dispose(parentElement);
}

function build(parent) {
  const root = parent.querySelector(".hb-viewer");
  const state = { root, panes: new Map(), files: new Map(), queue: Promise.resolve(), preset: null, maskShown: true, position: null };
  state.toolbar = root.querySelector(".hb-toolbar");
  state.grid = root.querySelector(".hb-grid");
  state.status = root.querySelector(".hb-status");
  state.presets = root.querySelector(".hb-presets");
  root.querySelector(".hb-mask").addEventListener("change", (event) => {
    state.maskShown = event.target.checked;
    for (const pane of state.panes.values()) showMask(state, pane);
  });
  root.querySelector(".hb-seed").addEventListener("click", () => sendSeed(state));
  return state;
}

function dispose(parent) {
  const state = states.get(parent);
  if (!state) return;
  state.disposed = true;
  for (const pane of state.panes.values()) pane.nv?.cleanup?.();
  states.delete(parent);
}

function update(state, data) {
  state.data = data;
  state.root.querySelector(".hb-seed").hidden = !data.allow_seed;
  fillPresets(state);
  state.grid.dataset.count = String(data.phases.length);
  const wanted = new Set(data.phases.map((p) => p.id));
  for (const [id, pane] of state.panes) {
    if (wanted.has(id)) continue;
    pane.nv?.cleanup?.();
    pane.element.remove();
    state.panes.delete(id);
  }
  for (const phase of data.phases) {
    if (!state.panes.has(phase.id)) fetched(state, phase.id, phase.url);
    let pane = state.panes.get(phase.id);
    if (!pane) {
      pane = addPane(state, phase);
      state.queue = state.queue.then(() => loadPane(state, pane));
    } else if (pane.overlayId !== (phase.overlay_id ?? null)) {
      pane.phase = phase;
      state.queue = state.queue.then(() => loadMask(state, pane));
    }
    pane.phase = phase;
    pane.element.querySelector(".hb-label").textContent = phase.label;
  }
  if (data.focus_mm_lps && String(data.focus_mm_lps) !== state.focused) {
    state.queue = state.queue.then(() => focusOn(state, data.focus_mm_lps));
  }
  state.queue = state.queue.then(() => {
    state.root.dataset.ready = String([...state.panes.values()].filter((p) => p.loaded).length);
    // What is drawn now, so that a reader (and a test) can tell that a new mask has arrived.
    state.root.dataset.overlays = [...state.panes.values()].map((p) => (p.overlayId || "none").slice(0, 8)).join(",");
  });
}

function addPane(state, phase) {
  const element = document.createElement("div");
  element.className = "hb-pane";
  element.innerHTML =
    '<div class="hb-head"><span class="hb-label"></span><span class="hb-info" aria-live="off"></span></div>' +
    '<div class="hb-canvas-box"><canvas tabindex="0"></canvas><div class="hb-wait" role="status">Loading…</div></div>';
  const canvas = element.querySelector("canvas");
  canvas.setAttribute("aria-label", `${phase.label}, axial slices. Wheel or arrow keys change the slice.`);
  state.grid.append(element);
  const pane = { element, canvas, phase, overlayId: null, loaded: false };
  canvas.addEventListener("keydown", (event) => step(state, pane, event));
  state.panes.set(phase.id, pane);
  return pane;
}

async function niivue() {
  return import(new URL("/viewer/niivue.js", location.origin).href);
}

async function loadPane(state, pane) {
  if (state.disposed || !pane.element.isConnected) return;
  try {
    const { Niivue, NVImage, SLICE_TYPE } = await niivue();
    const nv = new Niivue({
      isRadiologicalConvention: true,
      backColor: [0, 0, 0, 1],
      crosshairColor: [0.95, 0.85, 0.2, 0.8],
      crosshairWidth: 1,
      isColorbar: false,
      isOrientationTextVisible: true,
      fontMinPx: 12,
      show3Dcrosshair: false,
      logLevel: "error",
    });
    pane.nv = nv;
    await nv.attachToCanvas(pane.canvas, false);
    // Before the first texture update, which is when the library uploads the table of mask colours.
    nv.drawLut = drawLut(nv);
    const image = await loadVolume(state, NVImage, pane.phase.id, pane.phase.url);
    state.files.delete(pane.phase.id);
    if (state.disposed) return nv.cleanup();
    setWindow(state, image);
    nv.setSliceType(SLICE_TYPE.AXIAL);
    nv.addVolume(image);
    nv.onLocationChange = (location) => moved(state, pane, location);
    pane.loaded = true;
    pane.element.querySelector(".hb-wait").remove();
    if (state.position) place(pane, state.position);
    await loadMask(state, pane);
    moved(state, pane, null);
  } catch (error) {
    console.error("viewer: a volume could not be shown", error?.name);
    const wait = pane.element.querySelector(".hb-wait");
    if (wait) wait.textContent = "The image could not be loaded. Reload the page.";
  }
}

async function loadMask(state, pane) {
  if (!pane.loaded || state.disposed) return;
  const { NVImage } = await niivue();
  pane.overlayId = pane.phase.overlay_id ?? null;
  if (!pane.phase.overlay_url) {
    pane.nv.closeDrawing();
    pane.nv.drawScene();
    return;
  }
  const mask = await loadVolume(state, NVImage, pane.overlayId, pane.phase.overlay_url);
  pane.nv.loadDrawing(mask);
  pane.nv.setDrawingEnabled(false);
  showMask(state, pane);
}

function drawLut(nv) {
  const lut = new Uint8ClampedArray(256 * 4);
  for (let label = 1; label < 256; label++) {
    const colour = label === SHELL_LABEL ? SHELL_COLOUR : LESION_COLOURS[(label - 1) % LESION_COLOURS.length];
    lut.set([...colour, 255], label * 4);
  }
  return { ...nv.drawLut, lut };
}

function showMask(state, pane) {
  if (!pane.loaded) return;
  pane.nv.drawOpacity = state.maskShown ? 0.35 : 0;
  pane.nv.refreshDrawing(true);
  pane.nv.drawScene();
}

// Files are fetched all at once while panes are built one after the other; a mask shared by phases is fetched once.
function fetched(state, id, url) {
  if (!state.files.has(id)) {
    const file = fetch(absolute(url)).then((answer) => {
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      return answer.arrayBuffer();
    });
    file.catch(() => state.files.delete(id));
    state.files.set(id, file);
  }
  return state.files.get(id);
}

async function loadVolume(state, NVImage, id, url) {
  const buffer = await fetched(state, id, url);
  return NVImage.loadFromUrl({ url: absolute(url), name: "volume.nii.gz", buffer: buffer.slice(0) });
}

function absolute(url) {
  return new URL(url, location.origin).href;
}

// Crosshair positions travel in patient millimetres, so phases on different grids stay together.
function moved(state, from, location) {
  const position = from.nv.frac2mm(from.nv.scene.crosshairPos, 0, true);
  state.position = Array.from(position).slice(0, 3);
  for (const pane of state.panes.values()) {
    if (pane !== from && pane.loaded) place(pane, state.position);
    if (pane.loaded) describe(state, pane);
  }
  const [x, y, z] = state.position;
  state.status.textContent = `Crosshair ${(-x).toFixed(1)}, ${(-y).toFixed(1)}, ${z.toFixed(1)} mm (LPS)`;
  state.root.dataset.position = [-x, -y, z].map((v) => v.toFixed(2)).join(",");
}

function place(pane, mm) {
  const frac = pane.nv.mm2frac([mm[0], mm[1], mm[2], 1], 0, true);
  pane.nv.scene.crosshairPos = frac.map((v) => Math.min(1, Math.max(0, v)));
  pane.nv.drawScene();
}

function describe(state, pane) {
  const volume = pane.nv.volumes[0];
  const depth = volume.dimsRAS[3];
  const vox = pane.nv.frac2vox(pane.nv.scene.crosshairPos);
  const value = volume.getValue(vox[0], vox[1], vox[2]);
  const unit = state.data.modality === "CT" ? " HU" : "";
  pane.element.dataset.slice = String(vox[2] + 1);
  pane.element.querySelector(".hb-info").textContent = `${vox[2] + 1} / ${depth} · ${Math.round(value)}${unit}`;
}

function step(state, pane, event) {
  const steps = { ArrowUp: 1, ArrowDown: -1, PageUp: 5, PageDown: -5 };
  if (!(event.key in steps) || !pane.loaded) return;
  event.preventDefault();
  event.stopPropagation();
  pane.nv.moveCrosshairInVox(0, 0, steps[event.key]);
  moved(state, pane, null);
}

async function focusOn(state, lps) {
  state.focused = String(lps);
  state.position = [-lps[0], -lps[1], lps[2]];
  const first = [...state.panes.values()].find((p) => p.loaded);
  if (!first) return;
  place(first, state.position);
  moved(state, first, null);
}

function fillPresets(state) {
  const names = state.data.presets.map((p) => p.name).join("|");
  if (state.presets.dataset.names === names) return;
  state.presets.dataset.names = names;
  state.presets.replaceChildren();
  state.data.presets.forEach((preset, index) => {
    const option = document.createElement("option");
    option.value = String(index);
    option.textContent = preset.label;
    state.presets.append(option);
  });
  state.preset = state.data.presets[0];
  state.presets.onchange = () => {
    state.preset = state.data.presets[Number(state.presets.value)];
    applyWindow(state);
  };
}

function setWindow(state, image) {
  const preset = state.preset;
  if (preset.percentile) {
    const range = image.robust_max - image.robust_min;
    image.cal_min = image.robust_min + range * preset.percentile[0];
    image.cal_max = image.robust_min + range * preset.percentile[1];
  } else {
    image.cal_min = preset.level - preset.width / 2;
    image.cal_max = preset.level + preset.width / 2;
  }
}

// A new window rebuilds each pane's texture; one pane a frame keeps the page answering.
function applyWindow(state) {
  state.root.dataset.window = state.preset.name;
  for (const pane of state.panes.values()) {
    state.queue = state.queue.then(async () => {
      if (!pane.loaded || state.disposed) return;
      setWindow(state, pane.nv.volumes[0]);
      pane.nv.updateGLVolume();
      await new Promise((resolve) => requestAnimationFrame(resolve));
    });
  }
}

function sendSeed(state) {
  if (!state.position) return;
  const [x, y, z] = state.position;
  state.component.setTriggerValue("seed", { x: -x, y: -y, z, at: Date.now() });
}
