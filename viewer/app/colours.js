// Colours of structures and heat maps; the first four are safe for colour-blind readers (Okabe and Ito).

export const MAP_STOPS = [
  [0, 0, 4],
  [87, 16, 110],
  [188, 55, 84],
  [249, 142, 9],
  [252, 255, 164],
];

// 256 RGBA values as little-endian 32-bit words; alpha rises with the value, so that nothing is hidden where it is 0.
export function mapTable() {
  const table = new Uint32Array(256);
  for (let value = 0; value < 256; value++) {
    const at = (value / 255) * (MAP_STOPS.length - 1);
    const low = Math.min(MAP_STOPS.length - 2, Math.floor(at));
    const [r, g, b] = MAP_STOPS[low].map((c, i) => Math.round(c + (MAP_STOPS[low + 1][i] - c) * (at - low)));
    const alpha = Math.round(255 * Math.min(1, value / 102));
    table[value] = ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
  }
  return table;
}

export function rgb(colour) {
  return `rgb(${colour.join(",")})`;
}
