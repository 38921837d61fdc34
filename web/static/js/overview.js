// The table of instruments: cells follow the stream; search and order are the server's (htmx).

import { Badge } from "./badge.js";
import { price, size, units } from "./numbers.js";
import { Stream } from "./stream.js";

const badge = new Badge();
let rows = new Map(); // "DATASET/ID" -> row
const changed = new Set();
let frame = 0;

class Row {
  constructor(element) {
    this.element = element;
    this.decimals = Number(element.dataset.decimals);
    this.cells = {};
    for (const cell of element.querySelectorAll("[data-cell]")) this.cells[cell.dataset.cell] = cell;
    this.bbo = this.trade = null;
    this.lastPrice = this.cells.last.textContent;
  }

  paint() {
    if (this.bbo) this.#paintBbo(this.bbo);
    if (this.trade) this.#paintTrade(this.trade);
    this.bbo = this.trade = null;
  }

  #paintBbo({ bid, ask, complete, suspect, stale, top, phase }) {
    const [low, high] = [bid && units(bid[0]), ask && units(ask[0])];
    this.#set("bid", bid ? price(low, this.decimals) : "–");
    this.#set("bid-size", bid ? size(bid[1]) : "");
    this.#set("ask", ask ? price(high, this.decimals) : "–");
    this.#set("ask-size", ask ? size(ask[1]) : "");
    this.#set("spread", bid && ask ? price(high - low, this.decimals) : "–");
    this.#set("phase", (phase ?? "").replaceAll("_", " "));
    let state = top === "crossed" || top === "locked" ? top : "live";
    if (!complete) state = "incomplete";
    if (suspect) state = "suspect";
    if (stale) state = "stale";
    this.#set("state", state);
    this.cells.state.dataset.state = state;
  }

  #paintTrade(trade) {
    const text = price(units(trade.price), this.decimals);
    this.cells.last.dataset.side = trade.side;
    this.#set("last-size", size(trade.size));
    if (text === this.lastPrice) return;
    this.lastPrice = text;
    this.#set("last", text);
    const cell = this.cells.last;
    cell.classList.remove("flash");
    requestAnimationFrame(() => cell.classList.add("flash"));
  }

  #set(name, text) {
    const cell = this.cells[name];
    if (cell.textContent !== text) cell.textContent = text;
  }
}

function touch(row) {
  changed.add(row);
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    for (const each of changed) each.paint();
    changed.clear();
  });
}

/** The row that a class is about: "book:432669:1:10:20", or "DATASET/book:..." where there are several. */
const byClass = new Map();

const stream = new Stream(
  (type, message) => {
    if (type === "subscribed") {
      byClass.set(message.class, rows.get(`${message.dataset}/${message.instrument_id}`));
    } else if (type === "status") {
      badge.status(message);
    } else if (type === "bbo") {
      const row = byClass.get(message.class);
      if (row) {
        row.bbo = message;
        touch(row);
      }
    } else if (type === "trade") {
      const row = byClass.get(message.class);
      const priced = message.trades.filter((trade) => trade.price !== null);
      if (row && priced.length) {
        row.trade = priced.at(-1);
        touch(row);
      }
    }
  },
  (state, why) => badge.connection(state, why),
);

let url = "";

function begin() {
  const market = document.getElementById("market");
  rows = new Map();
  for (const element of market.querySelectorAll("tr[data-of]")) {
    rows.set(element.dataset.of, new Row(element));
  }
  const next = market.dataset.events;
  byClass.clear();
  if (next) stream.open(next);
  else {
    stream.close();
    badge.connection(rows.size || url ? "open" : "connecting", "");
  }
  url = next;
}

document.body.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.elt?.id === "market") begin();
});
begin();

// Keys: / to the search, arrows through the rows.
document.addEventListener("keydown", (event) => {
  const search = document.getElementById("q");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && document.activeElement !== search) {
    event.preventDefault();
    search.select();
  } else if (event.key === "Escape" && document.activeElement === search) {
    search.blur();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const links = [...document.querySelectorAll(".market tbody th a")];
    const at = links.indexOf(document.activeElement);
    const to = at < 0 ? 0 : at + (event.key === "ArrowDown" ? 1 : -1);
    if (links[to]) {
      event.preventDefault();
      links[to].focus();
    }
  }
});
