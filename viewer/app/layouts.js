// Which phase is seen from where in each layout.

export const LAYOUTS = { one: "One", two: "Two", all: "All phases", mpr: "Three planes", surface: "3D" };

export function panesOf(viewer) {
  const { layout, plane, active, phases } = viewer;
  const others = phases.filter((p) => p !== active);
  const two = phases.length > 1 ? [active, others[0]].sort((a, b) => phases.indexOf(a) - phases.indexOf(b)) : [active];
  return {
    one: [{ phase: active, view: plane }],
    two: two.map((phase) => ({ phase, view: plane })),
    all: phases.map((phase) => ({ phase, view: plane })),
    mpr: ["axial", "coronal", "sagittal"].map((view) => ({ phase: active, view })),
    surface: [{ phase: active, view: plane }],
  }[layout];
}
