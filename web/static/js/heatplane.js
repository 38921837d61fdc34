// The heat map's picture, a pixel a column and a price: only what is new is painted; the screen's own scaling
// does the rest.

/** Columns that are seen at most. */
export const WIDTH = 600;
/** Columns that are kept: of the oldest and the newest a part may be seen. */
export const ROOM = 601;
export const HEIGHT = 512;
const SHADES = 256;
const CALM = 1.35; // the scale stays while what is seen fits it about

export class Plane {
  /** @param {import("./heat.js").Heat} heat */
  constructor(heat) {
    this.heat = heat;
    this.canvas = new OffscreenCanvas(ROOM, HEIGHT);
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.image = this.context.createImageData(ROOM, HEIGHT);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.sums = new Float64Array(HEIGHT);
    this.shades = new Uint32Array(SHADES + 1);
    this.scale = 1; // the size that has the strongest colour
    this.ratio = 1; // columns of the model in one of the picture
    this.top = 0; // the row of prices at the upper edge
    this.painted = -1;
    this.state = "";
  }

  /** @param {string[]} stops colours from no size to the largest, as #rrggbb */
  colours(stops) {
    const parts = stops.map((each) => [1, 3, 5].map((at) => parseInt(each.slice(at, at + 2), 16)));
    const bytes = new Uint8ClampedArray(this.shades.buffer);
    for (let i = 0; i <= SHADES; i++) {
      const at = (i / SHADES) * (parts.length - 1);
      const from = Math.min(parts.length - 2, Math.floor(at));
      for (let j = 0; j < 3; j++) {
        bytes[i * 4 + j] = parts[from][j] + (parts[from + 1][j] - parts[from][j]) * (at - from);
      }
      bytes[i * 4 + 3] = 255;
    }
    this.state = "";
  }

  /** The price's row in the picture's rows, which are of the grid's group of ticks. */
  bucket(row, ask) {
    const { group } = this.heat.grid;
    return ask ? Math.ceil(row / group) : Math.floor(row / group);
  }

  /** The newest column of the picture. */
  get column() {
    return Math.floor(this.heat.newest / this.ratio);
  }

  /** Bring it up to date, with these rows in it. */
  paint(low, high) {
    if (low < this.top - HEIGHT + 1 || high > this.top) this.top = Math.round((low + high) / 2 + HEIGHT / 2);
    this.#rescale(low, high);
    const { heat, column } = this;
    const state = `${heat.changes} ${this.top} ${this.ratio} ${heat.grid.group} ${this.scale}`;
    const first = column - WIDTH;
    let from = this.painted; // it was under way
    if (state !== this.state || from < first) {
      this.state = state;
      from = first;
    }
    for (let each = from; each <= column; each++) this.#column(each);
    const all = column - from + 1 >= WIDTH / 4;
    if (all) this.context.putImageData(this.image, 0, 0);
    else for (let each = from; each <= column; each++) this.#put(each % ROOM);
    this.painted = column;
  }

  /** The sizes of the rows that are seen in the book of now, by row: bids, asks. */
  current() {
    const sides = [new Map(), new Map()];
    this.heat.each(this.heat.newest, (row, size, ask) => {
      const at = this.bucket(row, ask);
      const side = sides[Number(ask)];
      side.set(at, (side.get(at) ?? 0) + size);
    });
    return sides;
  }

  /** What the picture shows at a row and column: the size, from the model. */
  size(column, at) {
    let sum = 0;
    this.heat.each(this.#last(column), (row, size, ask) => (sum += this.bucket(row, ask) === at ? size : 0));
    return sum;
  }

  /** The model's column that a column of the picture shows: the last one it has of it. */
  #last(column) {
    return Math.min(this.heat.newest, (column + 1) * this.ratio - 1);
  }

  #column(column) {
    const { sums, shades, pixels, top } = this;
    sums.fill(0);
    this.heat.each(this.#last(column), (row, size, ask) => {
      const y = top - this.bucket(row, ask);
      if (y >= 0 && y < HEIGHT) sums[y] += size;
    });
    const x = column % ROOM;
    const scale = 1 / this.scale;
    for (let y = 0; y < HEIGHT; y++) {
      pixels[y * ROOM + x] = sums[y] ? shades[shade(sums[y] * scale)] : 0;
    }
  }

  #put(x) {
    this.context.putImageData(this.image, 0, 0, x, 0, 1, HEIGHT);
  }

  /** The strongest colour is for what only one level in fifty of those seen exceeds. */
  #rescale(low, high) {
    if (this.heat.newest % 5 && this.state) return; // twice a second is often enough
    const found = [];
    const { column } = this;
    const oldest = Math.max(Math.floor(this.heat.oldest / this.ratio), column - WIDTH);
    for (let each = column; each >= oldest; each -= Math.ceil(WIDTH / 20)) {
      const sums = new Map();
      this.heat.each(this.#last(each), (row, size, ask) => {
        const at = this.bucket(row, ask);
        if (at >= low && at <= high) sums.set(at, (sums.get(at) ?? 0) + size);
      });
      found.push(...sums.values());
    }
    if (!found.length) return;
    found.sort((a, b) => a - b);
    const full = Math.max(1, found[Math.floor(found.length * 0.98)]);
    if (full > this.scale * CALM || full < this.scale / CALM) this.scale = full;
  }
}

/** Small sizes are seen, large ones stand out. */
const shade = (part) => Math.min(SHADES, Math.max(8, Math.round(SHADES * part ** 0.7)));

