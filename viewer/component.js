// What Streamlit calls: on mount and whenever `data` changes. The viewer itself is fetched from our own route.

const mounted = new WeakMap();

export default function (component) {
  const { data, parentElement } = component;
  let held = mounted.get(parentElement);
  if (!held) {
    held = { closed: false };
    mounted.set(parentElement, held);
    held.viewer = import(new URL(`${data.script}`, location.origin).href).then(({ Viewer }) => new Viewer(parentElement.querySelector(".hb-viewer")));
  }
  held.viewer.then((viewer) => held.closed || viewer.update(data, component));
  return () => {
    held.closed = true;
    mounted.delete(parentElement);
    held.viewer.then((viewer) => viewer.close());
  };
}
