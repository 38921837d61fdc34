// Time & sales, the newest trade on top. Rows stay where they are; what they say moves down.

import { clock, price, size, units } from "./numbers.js";

const SIDES = { B: "buy", A: "sell" };
const KEPT = 500;

export class Tape {
  constructor(table, decimals, least) {
    this.body = table.tBodies[0];
    this.most = Number(table.dataset.rows);
    this.decimals = decimals;
    this.trades = [];
    this.shown = [...this.body.rows].map((row) => ({
      side: row.dataset.side,
      texts: [...row.cells].map((cell) => cell.textContent),
      size: Number(row.cells[2].textContent.replaceAll(",", "")),
    }));
    this.waiting = [];
    this.least = 1;
    while (this.body.rows.length < this.most) this.body.append(made());
    least.addEventListener("input", () => {
      this.least = Math.max(1, Number(least.value) || 1);
      const kept = this.trades.filter((trade) => trade.size >= this.least).slice(-this.most);
      this.shown = this.trades.length ? [] : this.shown.filter((line) => line.size >= this.least);
      this.waiting = kept;
      this.#show();
    });
  }

  add(trades) {
    const priced = trades.filter((trade) => trade.price !== null);
    this.trades.push(...priced);
    if (this.trades.length > KEPT) this.trades.splice(0, this.trades.length - KEPT);
    this.waiting.push(...priced.filter((trade) => trade.size >= this.least));
  }

  /** Only trades until then (ns) have been; with those given, which were before. */
  restart(until, before = []) {
    const limit = BigInt(until);
    const kept = [...before, ...this.trades].filter((trade) => BigInt(trade.ts_event) <= limit);
    this.trades = [];
    this.shown = [];
    this.waiting = [];
    this.add(kept);
    this.#show();
  }

  paint() {
    if (this.waiting.length) this.#show();
  }

  #show() {
    const news = this.waiting.splice(0).slice(-this.most).reverse();
    this.shown = [...news.map((trade) => this.#line(trade)), ...this.shown].slice(0, this.most);
    for (let i = 0; i < this.most; i++) {
      const row = this.body.rows[i];
      const line = this.shown[i] ?? BLANK;
      if (row.dataset.side !== line.side) row.dataset.side = line.side;
      for (let j = 0; j < 4; j++) {
        const text = row.cells[j].firstChild;
        if (!text) row.cells[j].append(line.texts[j]);
        else if (text.data !== line.texts[j]) text.data = line.texts[j];
      }
    }
  }

  #line(trade) {
    return {
      side: trade.side,
      texts: [
        clock(trade.ts_event),
        price(units(trade.price), this.decimals),
        size(trade.size),
        SIDES[trade.side] ?? "–",
      ],
    };
  }
}

const BLANK = { side: "N", texts: ["", "", "", ""] };

function made() {
  const row = document.createElement("tr");
  for (let i = 0; i < 4; i++) row.insertCell().className = i === 1 || i === 2 ? "n" : "";
  return row;
}
