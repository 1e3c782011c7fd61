// What is fetched, and in which order.

import { Labels } from "./labels.js";

// The active phase first, then what is on screen, then the rest; masks follow the images.
export function load(viewer) {
  const shown = new Set(viewer.panes.filter((p) => p.plane).map((p) => p.phase));
  const order = [...new Set([...(shown.has(viewer.active) ? [viewer.active] : []), ...shown, viewer.active, ...viewer.phases])];
  order.forEach((phase, position) => {
    loadImage(viewer, phase);
    // The masks of what is looked at come before the other images.
    if (position === 0) loadLabels(viewer, phase);
  });
  for (const phase of order.slice(1)) loadLabels(viewer, phase);
  for (const phase of order) {
    if (!phase.labels_id && phase.labels) phase.labels = phase.labelsHeld = phase.labelsShown = phase.labelsComing = null;
    const map = phase.map;
    if (!map || map.volume || map.loading) continue;
    map.loading = true;
    viewer.loader.volume({ url: map.url, grid: phase.grid }).then((volume) => {
      map.volume = volume;
      viewer.mark();
    }, (error) => failed(viewer, phase, error));
  }
  viewer.mark();
}

function loadImage(viewer, phase) {
  if (phase.volume || phase.loading) return;
  phase.loading = true;
  // MR is shown when it is whole: its window comes from all of its voxels.
  const progressive = viewer.data.modality === "CT";
  const arrived = (volume) => {
    if (!progressive && !volume.complete) return;
    phase.volume = volume;
    viewer.redraw();
  };
  viewer.loader.volume({ url: phase.url, grid: phase.grid, onSlab: arrived }).then(() => viewer.mark(), (error) => failed(viewer, phase, error));
}

// Phases on one grid share their label volume: it has the same id and is fetched once.
function loadLabels(viewer, phase) {
  const wanted = phase.labels_id;
  if (!wanted || phase.labelsHeld === wanted) return;
  phase.labelsHeld = wanted;
  const other = viewer.phases.find((p) => p !== phase && p.labelsHeld === wanted);
  phase.labelsComing = other?.labelsComing ?? Labels.load(viewer.loader, phase.labels_url, phase.grid);
  phase.labelsComing.then(
    (labels) => {
      if (phase.labelsHeld !== wanted) return;
      phase.labels = labels;
      phase.labelsShown = wanted;
      viewer.workbench.labelsArrived(phase);
      viewer.mark();
    },
    (error) => {
      phase.labelsHeld = null;
      failed(viewer, phase, error);
    },
  );
}

function failed(viewer, phase, error) {
  console.error("viewer: a volume could not be shown", error?.message);
  phase.loading = false;
  viewer.say(`${phase.label} could not be loaded. Reload the page.`);
}
