// A book's first levels, kept equal to the server's by its messages.

import { units } from "./numbers.js";

export class Levels {
  constructor(depth) {
    this.depth = depth;
    this.seq = -1;
    this.bids = [];
    this.asks = [];
  }

  get held() {
    return this.seq >= 0;
  }

  /** Whether there may be more levels of a side ("bids", "asks") than were sent. */
  cut(side) {
    return this[side].length >= this.depth;
  }

  /** Nothing is held any more; what is shown stays until the next snapshot. */
  drop() {
    this.seq = -1;
  }

  snapshot(message) {
    this.bids = message.bids.map(level);
    this.asks = message.asks.map(level);
    this.seq = message.seq;
  }

  /** Whether the message followed on what is held; if not, a snapshot is needed. */
  update(message) {
    if (!this.held || message.prev_seq !== this.seq) return false;
    this.bids = this.#merged(this.bids, message.bids, -1);
    this.asks = this.#merged(this.asks, message.asks, 1);
    this.seq = message.seq;
    return true;
  }

  #merged(side, changes, direction) {
    if (!changes.length) return side;
    const changed = new Map(changes.map((each) => [each[0], each]));
    const kept = side.filter((each) => !changed.has(each.text));
    for (const each of changes) if (each[1] > 0) kept.push(level(each));
    kept.sort((a, b) => (a.price < b.price ? -direction : a.price > b.price ? direction : 0));
    kept.length = Math.min(kept.length, this.depth);
    return kept;
  }
}

const level = ([text, size, count]) => ({ text, price: units(text), size, count });
