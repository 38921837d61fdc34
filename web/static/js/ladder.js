// The ladder: a row a tick. Rows stay; their numbers change.

import { price, size } from "./numbers.js";

const EDGE = 0.22; // the best prices are brought to the middle when they come so near to an end

export class Ladder {
  constructor(table, { tick, decimals, onChoose }) {
    this.tick = tick;
    this.decimals = decimals;
    this.onChoose = onChoose;
    this.body = table.tBodies[0];
    this.rows = [...this.body.rows].map((row) => new Rung(row));
    this.top = null;
    this.scale = 1;
    this.held = false;
    this.wanted = true;
    this.chosen = null;
    this.last = null;
    this.levels = { bids: [], asks: [] };
    this.body.addEventListener("click", (event) => this.#click(event));
    this.body.addEventListener("keydown", (event) => this.#key(event));
  }

  recentre() {
    this.wanted = true;
    this.paint(this.levels);
  }

  hold(held) {
    this.held = held;
  }

  paint(levels) {
    this.levels = levels;
    const { bids, asks } = levels;
    this.#fit([...bids, ...asks]);
    this.#place(bids[0], asks[0]);
    if (this.top === null) return;
    const [low, high] = [index(bids), index(asks)];
    this.#rescale([...bids, ...asks]);
    for (let i = 0; i < this.rows.length; i++) {
      const at = this.top - this.tick * BigInt(i);
      this.rows[i].paint(at, low.get(at), high.get(at), this);
    }
    this.#marks(bids[0]);
  }

  /** A level off the grid would not be seen: then the grid is the coarsest with all levels on it. */
  #fit(levels) {
    const tick = this.tick;
    if (tick && levels.every((level) => level.price % tick === 0n)) return;
    this.tick = levels.reduce((step, level) => common(step, level.price), tick);
    this.wanted = true;
  }

  /** Keep the prices still, unless the best ones leave. */
  #place(bid, ask) {
    const best = bid && ask ? (bid.price + ask.price) / 2n : (bid ?? ask)?.price;
    if (best === undefined) return;
    const tick = this.tick;
    const count = this.rows.length;
    if (this.top !== null && !this.wanted) {
      const row = Number((this.top - best) / tick);
      if (this.held || (row > count * EDGE && row < count * (1 - EDGE))) return;
    }
    const floor = best >= 0n ? best / tick : (best - tick + 1n) / tick;
    this.top = (floor + BigInt(Math.floor(count / 2))) * tick;
    this.wanted = false;
  }

  /** A full bar is what nine levels of ten fit into: one large level does not flatten all others. It changes
   *  seldom, so that bars can be compared from one moment to the next. */
  #rescale(levels) {
    const sizes = levels.map((level) => level.size).sort((a, b) => a - b);
    const full = (sizes[Math.floor(sizes.length * 0.9)] ?? 1) * 1.2;
    if (full > this.scale * 1.25 || full < this.scale * 0.6) this.scale = full;
  }

  #marks(bid) {
    for (const rung of this.rows) {
      const best = bid !== undefined && rung.price === bid.price;
      rung.mark(best, this.last?.price === rung.price ? this.last.side : "", rung.price === this.chosen);
    }
  }

  /** The row's price and side, to the page. */
  #choose(rung) {
    if (rung?.price === undefined || rung.price === null) return;
    const side = rung.side ?? (this.levels.bids[0]?.price >= rung.price ? "bid" : "ask");
    this.chosen = rung.price;
    this.#marks(this.levels.bids[0]);
    this.onChoose(side, rung.price);
  }

  unchoose() {
    this.chosen = null;
    this.#marks(this.levels.bids[0]);
  }

  #click(event) {
    const row = event.target.closest("tr");
    const rung = this.rows[row?.sectionRowIndex];
    if (!rung) return;
    const cell = event.target.closest("td");
    if (cell) rung.side ??= cell.cellIndex < 2 ? "bid" : "ask";
    this.#choose(rung);
    this.#focus(row.sectionRowIndex, false);
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = event.target.closest("tr").sectionRowIndex;
    this.#focus(Math.max(0, Math.min(this.rows.length - 1, at + step)), true);
  }

  /** One tab stop in the ladder; arrows move it. */
  #focus(to, take) {
    this.rows.forEach((rung, i) => (rung.button.tabIndex = i === to ? 0 : -1));
    if (take) this.rows[to].button.focus();
  }
}

class Rung {
  constructor(row) {
    const [bidCount, bid, at, ask, askCount] = row.cells;
    this.row = row;
    this.button = at.firstElementChild;
    this.cells = [bidCount, bid.lastElementChild, ask.lastElementChild, askCount];
    this.bars = [bid.firstElementChild, ask.firstElementChild];
    this.parts = [-1, -1];
    this.texts = this.cells.map((cell) => cell.textContent);
    this.price = null;
    this.side = null;
    this.look = null;
  }

  paint(at, bid, ask, { decimals, scale }) {
    if (this.price !== at) {
      this.price = at;
      this.button.textContent = price(at, decimals);
    }
    this.#set(0, bid ? size(bid.count) : "");
    this.#set(1, bid ? size(bid.size) : "");
    this.#set(2, ask ? size(ask.size) : "");
    this.#set(3, ask ? size(ask.count) : "");
    this.#bar(0, bid ? bid.size / scale : 0);
    this.#bar(1, ask ? ask.size / scale : 0);
    this.side = bid ? "bid" : ask ? "ask" : null;
  }

  mark(best, last, chosen) {
    const side = this.side === "bid" ? "b" : this.side === "ask" ? "a" : "";
    const trade = last === "B" ? "last buy" : last === "A" ? "last sell" : last ? "last" : "";
    const look = [side, best ? "best" : "", trade, chosen ? "chosen" : ""].filter(Boolean).join(" ");
    if (look === this.look) return;
    this.look = look;
    this.row.className = look;
  }

  #set(i, text) {
    if (this.texts[i] === text) return;
    this.texts[i] = text;
    this.cells[i].textContent = text;
  }

  #bar(i, part) {
    const rounded = Math.min(1, Math.round(part * 500) / 500);
    if (this.parts[i] === rounded) return;
    this.parts[i] = rounded;
    this.bars[i].style.setProperty("--part", rounded);
  }
}

/** The greatest common divisor, of zero and another the other. */
function common(a, b) {
  while (b) [a, b] = [b, a % b];
  return a < 0n ? -a : a;
}

const index = (levels) => new Map(levels.map((level) => [level.price, level]));
