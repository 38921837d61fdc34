// The heat map: resting size by price and time as colour, the best prices and the trades on it, the book of
// now at its right edge.

import { COLUMN_MS, COLUMNS } from "./heat.js";
import * as layers from "./heatlayers.js";
import { AXIS, utc } from "./heatlayers.js";
import { Plane, WIDTH } from "./heatplane.js";
import { price as priceText, size as sizeText } from "./numbers.js";

const HEIGHTS = [2, 3, 4, 6, 8, 11, 15, 20, 28]; // of a price, in CSS pixels
const EDGE = 0.25; // of the picture: best prices so near to an end are brought to the middle
const SPEAK_MS = 5000;
const STEP = 300; // columns of the model: by so much more is seen when more is known

export class HeatMap {
  /**
   * @param {HTMLElement} root holds the canvas
   * @param {import("./heat.js").Heat} heat
   * @param {{decimals: number, said: HTMLElement, words: HTMLElement, scale: HTMLElement,
   *   onHold: (held: boolean) => void}} parts where what is pointed at, the picture in words and its scale go
   */
  constructor(root, heat, { decimals, said, words, scale, onHold }) {
    Object.assign(this, { root, heat, decimals, said, words, scale, onHold });
    this.grid = heat.grid;
    this.plane = new Plane(heat);
    this.canvas = root.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    this.zoom = 5;
    this.top = null; // the price's row at the upper edge
    this.held = false;
    this.pointer = null;
    this.columns = WIDTH; // of the picture that are seen
    this.spoken = -SPEAK_MS;
    this.seen = true;
    this.frame = 0;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    new ResizeObserver(() => this.#fit()).observe(root);
    new IntersectionObserver(([entry]) => {
      this.seen = entry.isIntersecting;
      this.draw();
    }).observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#look());
    this.#look();
    this.#listen();
  }

  /** How much time is seen at most; less while less is known, but never less than a minute. */
  set minutes(minutes) {
    this.most = Math.min(COLUMNS, (minutes * 60_000) / COLUMN_MS) / WIDTH;
    this.draw();
  }

  hold(held) {
    this.held = held;
    this.onHold(held);
    this.draw();
  }

  /** Show prices larger (1) or smaller (-1), around the middle. */
  zoomed(by) {
    const next = Math.max(0, Math.min(HEIGHTS.length - 1, this.zoom + by));
    if (this.top !== null) {
      const middle = this.top - this.rows / 2;
      this.zoom = next;
      this.top = Math.round(middle + this.rows / 2);
    }
    this.zoom = next;
    this.draw();
  }

  /** The grouping has changed, or the book is another one. */
  regrouped() {
    this.top = null;
    this.draw();
  }

  get rowHeight() {
    return HEIGHTS[this.zoom];
  }

  get rows() {
    return this.height / this.rowHeight;
  }

  /** Once a frame, however often it is asked for. */
  draw() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      if (this.seen && this.heat.newest >= 0 && this.width > 0) this.#draw();
    });
  }

  #draw() {
    const known = Math.max(WIDTH, Math.ceil((this.heat.newest - this.heat.oldest + 1) / STEP) * STEP);
    this.plane.ratio = Math.min(this.most, Math.ceil(known / WIDTH));
    this.columns = Math.min(WIDTH, known / this.plane.ratio);
    this.#follow();
    this.plane.paint(Math.floor(this.top - this.rows), Math.ceil(this.top));
    const { context } = this;
    context.setTransform(this.unit, 0, 0, this.unit, 0, 0);
    context.fillStyle = this.colour["heat-0"];
    context.fillRect(0, 0, this.width + this.side, this.height + AXIS);
    context.save();
    context.beginPath();
    context.rect(0, 0, this.width, this.height);
    context.clip();
    layers.picture(this);
    layers.lines(this);
    layers.dots(this);
    context.restore();
    layers.ladder(this);
    layers.times(this);
    layers.cross(this);
    this.#speak();
    this.scale.textContent = `${sizeText(this.plane.scale)}+`;
  }

  /** The time at the right edge; by whole columns where less motion is wanted. */
  get now() {
    const span = COLUMN_MS * this.plane.ratio;
    return this.still.matches ? (this.plane.column + 1) * span : this.heat.now;
  }

  x(ms) {
    return this.width - ((this.now - ms) * this.width) / this.span;
  }

  /** How much time is seen, in ms. */
  get span() {
    return this.columns * this.plane.ratio * COLUMN_MS;
  }

  y(bucket) {
    return (this.top - bucket) * this.rowHeight;
  }

  /** Bring the best prices to the middle, at once or, where that is welcome, gently. */
  #follow() {
    const [bid, ask] = this.heat.best(this.heat.newest);
    if (bid === null && ask === null) {
      this.top ??= this.rows;
      return;
    }
    const low = this.plane.bucket(bid ?? ask, bid === null);
    const high = this.plane.bucket(ask ?? bid, ask !== null);
    const middle = (low + high) / 2;
    const wanted = Math.round(middle + this.rows / 2);
    if (this.top === null) this.top = wanted;
    if (this.held) return;
    const part = (this.top - middle) / this.rows;
    if (part < EDGE || part > 1 - EDGE) this.aim = wanted;
    if (this.aim === undefined) return;
    const left = this.aim - this.top;
    if (this.still.matches || Math.abs(left) < 0.3 || Math.abs(left) > this.rows) {
      this.top = this.aim;
      this.aim = undefined;
    } else {
      this.top += left * 0.2;
      this.draw();
    }
  }

  /** What is shown at a place of the picture; the size is null where it is not known. */
  reading({ x, y }) {
    const bucket = Math.ceil(this.top - y / this.rowHeight);
    const ms = this.now - ((this.width - x) / this.width) * this.span;
    const column = Math.floor(ms / COLUMN_MS / this.plane.ratio);
    const size = column * this.plane.ratio < this.heat.oldest ? null : this.plane.size(column, bucket);
    return { price: this.grid.price(bucket * this.grid.group), ms, size };
  }

  /** In words, now and then, for who does not see it. */
  #speak() {
    if (performance.now() - this.spoken < SPEAK_MS) return;
    this.spoken = performance.now();
    const name = (at) => priceText(this.grid.price(at * this.grid.group), this.decimals);
    const [low, high] = [Math.ceil(this.top - this.rows), Math.floor(this.top)];
    const largest = this.plane.current().map((side) =>
      [...side].filter(([at]) => at >= low && at <= high).sort((a, b) => b[1] - a[1]).slice(0, 3)
        .map(([at, size]) => `${sizeText(size)} at ${name(at)}`).join(", ") || "none");
    const from = Math.max(this.now - this.span, this.heat.oldest * COLUMN_MS);
    this.words.textContent = `From ${utc(from, 8)} to ${utc(this.now, 8)} UTC, prices from ${name(low)} to ` +
      `${name(high)}. Largest bids now: ${largest[0]}. Largest asks now: ${largest[1]}.`;
  }

  #look() {
    const style = getComputedStyle(document.documentElement);
    const names = ["bid", "ask", "bid-bar", "ask-bar", "soft", "text", "line", "card",
      "heat-0", "heat-1", "heat-2", "heat-3", "heat-4", "heat-5"];
    this.colour = Object.fromEntries(names.map((each) => [each, style.getPropertyValue(`--${each}`).trim()]));
    this.plane.colours(names.slice(-6).map((each) => this.colour[each]));
    this.draw();
  }

  #fit() {
    const { clientWidth, clientHeight } = this.root;
    this.unit = devicePixelRatio;
    this.canvas.width = Math.round(clientWidth * this.unit);
    this.canvas.height = Math.round(clientHeight * this.unit);
    const best = this.heat.book?.asks[0] ?? this.heat.book?.bids[0];
    const widest = best ? priceText(best.price, this.decimals).length : 7;
    this.labels = 14 + 7 * widest;
    this.side = this.labels + (clientWidth < 500 ? 44 : 72);
    this.width = clientWidth - this.side;
    this.height = clientHeight - AXIS;
    this.draw();
  }

  #listen() {
    const { root } = this;
    let grasped = null;
    root.addEventListener("pointermove", (event) => {
      const box = root.getBoundingClientRect();
      const at = { x: event.clientX - box.left, y: event.clientY - box.top };
      this.pointer = at.x < this.width && at.y < this.height ? at : null;
      if (grasped) {
        const moved = Math.round((at.y - grasped.y) / this.rowHeight);
        if (moved && !this.held) this.hold(true);
        this.top = grasped.top + moved;
      }
      this.draw();
    });
    root.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.draw();
    });
    root.addEventListener("pointerdown", (event) => {
      if (event.button || event.pointerType === "touch") return;
      root.setPointerCapture(event.pointerId);
      grasped = { y: event.clientY - root.getBoundingClientRect().top, top: Math.round(this.top) };
    });
    for (const name of ["pointerup", "pointercancel"]) root.addEventListener(name, () => (grasped = null));
    root.addEventListener("dblclick", () => this.hold(false));
    root.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
      event.preventDefault();
      this.zoomed(event.deltaY < 0 ? 1 : -1);
    }, { passive: false });
  }
}
