// The page of one book: one stream, painted once a frame.

import { Badge } from "./badge.js";
import { Ladder } from "./ladder.js";
import { Levels } from "./levels.js";
import { clock, price, size, units } from "./numbers.js";
import { DepthPicture, PricePicture } from "./pictures.js";
import { QueueView } from "./queue.js";
import { Stream } from "./stream.js";
import { Tape } from "./tape.js";

const PICTURE_MS = 250;
const byId = (id) => document.getElementById(id);
const root = byId("book");
const tick = BigInt(root.dataset.tick);
const decimals = Number(root.dataset.decimals);
const levels = new Levels(Number(root.dataset.depth));
const badge = new Badge();
const tape = new Tape(byId("tape"), decimals, byId("least"));
const queue = new QueueView(byId("queue"), byId("close-queue"), root.dataset.path);
const ladder = new Ladder(byId("ladder"), { tick, decimals, onChoose: (side, at) => queue.show(side, at) });
const prices = new PricePicture(byId("price"), decimals);
const depth = new DepthPicture(byId("depth"), decimals);
let newest = null; // the last message about the book
let lastTrade = null;
let bookClass = "";
let frame = 0;
let drawn = 0;

function set(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

function paintQuote() {
  const [bid, ask] = [levels.bids[0], levels.asks[0]];
  set("q-bid", bid ? price(bid.price, decimals) : "–");
  set("q-bid-size", bid ? size(bid.size) : "");
  set("q-ask", ask ? price(ask.price, decimals) : "–");
  set("q-ask-size", ask ? size(ask.size) : "");
  const spread = bid && ask ? ask.price - bid.price : null;
  set("q-spread", spread === null ? "–" : price(spread, decimals));
  const ticks = spread === null || spread % ladder.tick ? null : spread / ladder.tick;
  set("q-ticks", ticks === null ? "" : `${ticks} tick${ticks === 1n ? "" : "s"}`);
  set("q-phase", (newest?.phase ?? "–").replaceAll("_", " "));
  set("q-time", newest ? clock(newest.ts_event) : "");
  if (lastTrade) {
    set("q-last", price(units(lastTrade.price), decimals));
    set("q-last-size", size(lastTrade.size));
    byId("q-last").dataset.side = lastTrade.side;
  }
}

function paint(now) {
  frame = 0;
  ladder.last = lastTrade && { price: units(lastTrade.price), side: lastTrade.side };
  ladder.paint(levels);
  paintQuote();
  tape.paint();
  queue.changed(levels);
  if (now - drawn > PICTURE_MS) {
    drawn = now;
    prices.draw();
    depth.paint(levels);
    const sum = (side) => size(side.reduce((all, level) => all + level.size, 0));
    set("depth-bid", levels.bids.length ? sum(levels.bids) : "");
    set("depth-ask", levels.asks.length ? sum(levels.asks) : "");
  }
}

function touch() {
  frame ||= requestAnimationFrame(paint);
}

function bookMessage(message) {
  newest = message;
  badge.flags(message);
  prices.best(Number(BigInt(message.ts_event) / 1_000_000n) / 1000, levels.bids[0], levels.asks[0]);
  touch();
}

const stream = new Stream(
  (type, message) => {
    if (type === "snapshot") {
      levels.snapshot(message);
      bookMessage(message);
    } else if (type === "update") {
      if (levels.update(message)) bookMessage(message);
      else if (levels.held) {
        levels.drop();
        stream.again("a message was missed");
      }
    } else if (type === "subscribed") {
      if (message.channel === "book") bookClass = message.class;
    } else if (type === "resync") {
      if (message.class === bookClass) levels.drop(); // its snapshot follows; of trades nothing is void
    } else if (type === "trade") {
      tape.add(message.trades);
      prices.add(message.trades);
      lastTrade = message.trades.findLast((trade) => trade.price !== null) ?? lastTrade;
      touch();
    } else if (type === "status") {
      badge.status(message);
      touch();
    }
  },
  (state, why) => badge.connection(state, why),
);

async function history() {
  const answer = await fetch(`${root.dataset.path}/history`);
  if (answer.ok) prices.begin(await answer.json());
  touch();
}

byId("hold").addEventListener("click", ({ currentTarget }) => hold(currentTarget));
byId("recentre").addEventListener("click", () => ladder.recentre());
byId("close-queue").addEventListener("click", closeQueue);

function hold(button) {
  const held = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(held));
  ladder.hold(held);
}

function closeQueue() {
  queue.hide();
  ladder.unchoose();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  if (event.key === "c") ladder.recentre();
  else if (event.key === "h") hold(byId("hold"));
  else if (event.key === "Escape") closeQueue();
});

stream.open(root.dataset.events);
history();
