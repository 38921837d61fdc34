// The ladder: a row a tick, or a group of ticks. Rows stay; their numbers change.

import { price, size } from "./numbers.js";

const EDGE = 0.22; // the best prices are brought to the middle when they come so near to an end

export class Ladder {
  /** @param {import("./grid.js").Grid} grid */
  constructor(table, grid, { decimals, onChoose }) {
    this.grid = grid;
    this.decimals = decimals;
    this.onChoose = onChoose;
    this.frame = table.parentElement;
    this.body = table.tBodies[0];
    this.rows = [...this.body.rows].map((row) => new Rung(row));
    this.top = null;
    this.scale = 1;
    this.held = false;
    this.wanted = true;
    this.chosen = null;
    this.last = null;
    this.levels = { bids: [], asks: [] };
    this.#middle();
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

  /** Other prices to a row, or another number of rows. */
  arrange(count) {
    while (this.rows.length > count) this.rows.pop().row.remove();
    while (this.rows.length < count) {
      const row = this.body.rows[0].cloneNode(true);
      this.body.append(row);
      this.rows.push(new Rung(row));
    }
    this.rows.forEach((rung) => rung.forget());
    this.recentre();
  }

  paint(levels) {
    this.levels = levels;
    if (this.grid.fit([...levels.bids, ...levels.asks]) > 1) this.wanted = true;
    if (!this.grid.tick) return;
    const bids = this.grid.grouped(levels.bids, "bid", levels.cut("bids"));
    const asks = this.grid.grouped(levels.asks, "ask", levels.cut("asks"));
    this.best = bids[0]?.price;
    this.#place(this.best, asks[0]?.price);
    if (this.top === null) return;
    const [low, high] = [index(bids), index(asks)];
    this.#rescale([...bids, ...asks]);
    for (let i = 0; i < this.rows.length; i++) {
      const at = this.top - this.grid.step * BigInt(i);
      this.rows[i].paint(at, low.get(at), high.get(at), this);
    }
    this.#marks();
  }

  /** Keep the prices still, unless the best ones leave. */
  #place(bid, ask) {
    const best = bid !== undefined && ask !== undefined ? (bid + ask) / 2n : (bid ?? ask);
    if (best === undefined) return;
    const { step } = this.grid;
    const count = this.rows.length;
    const middle = Math.floor(count / 2);
    if (this.top !== null && !this.wanted) {
      const away = Math.abs(Number((this.top - best) / step) - middle);
      if (this.held || away < this.#seen() * (0.5 - EDGE)) return;
    }
    this.top = this.grid.shown(best, "bid") + BigInt(middle) * step;
    if (this.wanted) this.#middle();
    this.wanted = false;
  }

  /** The rows that are in sight at once. */
  #seen() {
    return Math.min(this.rows.length, this.frame.clientHeight / this.body.rows[0].offsetHeight - 1);
  }

  #middle() {
    this.frame.scrollTop = (this.frame.scrollHeight - this.frame.clientHeight) / 2;
  }

  /** A full bar is what nine levels of ten fit into: one large level does not flatten all others. It changes
   *  seldom, so that bars can be compared from one moment to the next. */
  #rescale(levels) {
    const sizes = levels.map((level) => level.size).sort((a, b) => a - b);
    const full = (sizes[Math.floor(sizes.length * 0.9)] ?? 1) * 1.2;
    if (full > this.scale * 1.25 || full < this.scale * 0.6) this.scale = full;
  }

  #marks() {
    const { last, chosen, grid } = this;
    const traded = last && grid.shown(last.price, last.side === "B" ? "ask" : "bid");
    for (const rung of this.rows) {
      const best = this.best !== undefined && rung.price === this.best;
      const here = rung.price !== null && rung.holds(chosen, grid);
      rung.mark(best, traded === rung.price ? last.side : "", here);
    }
  }

  /** The row's price and side, to the page; of several prices in a row the best. */
  #choose(rung) {
    if (rung.price === null) return;
    const side = rung.side ?? (this.best >= rung.price ? "bid" : "ask");
    this.chosen = { side, price: rung.best ?? rung.price };
    this.#marks();
    this.onChoose(side, this.chosen.price);
  }

  unchoose() {
    this.chosen = null;
    this.#marks();
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
    this.best = null;
  }

  /** The row may be a copy of another one: whatever it shows, show it anew. */
  forget() {
    this.price = null;
    this.parts = [-1, -1];
    this.texts = this.cells.map((cell) => cell.textContent);
  }

  /** Whether the price that was chosen is among those of the row. */
  holds(chosen, grid) {
    return chosen !== null && grid.shown(chosen.price, chosen.side) === this.price;
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
    this.best = (bid ?? ask)?.best ?? null;
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

const index = (levels) => new Map(levels.map((level) => [level.price, level]));
