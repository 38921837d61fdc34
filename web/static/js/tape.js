// Time & sales: the newest trade on top; rows are used again.

import { clock, price, size, units } from "./numbers.js";

const SIDES = { B: "buy", A: "sell" };
const KEPT = 500;

export class Tape {
  constructor(table, decimals, least) {
    this.body = table.tBodies[0];
    this.most = Number(table.dataset.rows);
    this.decimals = decimals;
    this.trades = [];
    this.waiting = [];
    this.least = 1;
    least.addEventListener("input", () => {
      this.least = Math.max(1, Number(least.value) || 1);
      this.body.replaceChildren();
      this.#show(this.trades.filter((trade) => trade.size >= this.least).slice(-this.most));
    });
  }

  add(trades) {
    const priced = trades.filter((trade) => trade.price !== null);
    this.trades.push(...priced);
    this.trades.splice(0, this.trades.length - KEPT);
    this.waiting.push(...priced.filter((trade) => trade.size >= this.least));
  }

  paint() {
    if (this.waiting.length) this.#show(this.waiting.splice(0).slice(-this.most));
  }

  #show(trades) {
    for (const trade of trades) {
      const row = this.body.rows.length < this.most ? made() : this.body.lastElementChild;
      row.dataset.side = trade.side;
      const texts = [
        clock(trade.ts_event),
        price(units(trade.price), this.decimals),
        size(trade.size),
        SIDES[trade.side] ?? "–",
      ];
      texts.forEach((text, i) => (row.cells[i].textContent = text));
      this.body.prepend(row);
    }
  }
}

function made() {
  const row = document.createElement("tr");
  for (let i = 0; i < 4; i++) row.insertCell().className = i === 1 || i === 2 ? "n" : "";
  return row;
}
