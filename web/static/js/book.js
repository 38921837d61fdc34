// The page of one book: one stream, painted once a frame.

import { Badge } from "./badge.js";
import { Choices } from "./choices.js";
import { Grid } from "./grid.js";
import { Heat, sampled } from "./heat.js";
import { HeatMap } from "./heatmap.js";
import { Ladder } from "./ladder.js";
import { Levels } from "./levels.js";
import { clock, price, size, units } from "./numbers.js";
import { DepthPicture, PricePicture } from "./pictures.js";
import { QueueView } from "./queue.js";
import { ReplayBar } from "./replaybar.js";
import { Stream } from "./stream.js";
import { Tape } from "./tape.js";

const PICTURE_MS = 250;
const byId = (id) => document.getElementById(id);
const root = byId("book");
const decimals = Number(root.dataset.decimals);
const choices = new Choices(byId("view"), rearrange);
const grid = new Grid(BigInt(root.dataset.tick), choices.group);
const levels = new Levels(choices.carried);
const badge = new Badge();
const tape = new Tape(byId("tape"), decimals, byId("least"));
const queue = new QueueView(byId("queue"), byId("close-queue"), root.dataset.path, () => ({
  publisher: root.dataset.publisher,
  at: bar?.at ?? "",
}));
const ladder = new Ladder(byId("ladder"), grid, { decimals, onChoose: (side, at) => queue.show(side, at) });
const prices = new PricePicture(byId("price"), decimals);
const depth = new DepthPicture(byId("depth"), decimals);
/** What the heat map shows, for whoever wants to look into it. */
export const heat = new Heat(grid);
export const heatMap = new HeatMap(byId("heat"), heat, {
  decimals,
  said: byId("heat-reading"),
  words: byId("heat-words"),
  scale: byId("heat-scale"),
  onHold: (held) => byId("heat-hold").setAttribute("aria-pressed", String(held)),
});
heatMap.minutes = prices.minutes = choices.minutes;
let newest = null; // the last message about the book
let lastTrade = null;
let bookClass = "";
let frame = 0;
let drawn = -PICTURE_MS;
let later = 0; // the pictures are to be drawn although nothing else comes

/** Which version of the book is shown: its ts_event; null while frames are still to be painted. */
export const version = () => (frame ? null : newest?.ts_event);

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
  const ticks = spread === null || spread % grid.tick ? null : spread / grid.tick;
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
  if (now - drawn < PICTURE_MS) later ||= setTimeout(touch, PICTURE_MS);
  else {
    drawn = now;
    later = clearTimeout(later);
    prices.draw();
    depth.paint(levels);
    const sum = (side) => size(side.reduce((all, level) => all + level.size, 0));
    set("depth-bid", levels.bids.length ? sum(levels.bids) : "");
    set("depth-ask", levels.asks.length ? sum(levels.asks) : "");
    set("depth-levels", `${Math.max(levels.bids.length, levels.asks.length)} levels`);
  }
}

function touch() {
  frame ||= requestAnimationFrame(paint);
}

function bookMessage(message) {
  newest = message;
  badge.flags(message);
  touch();
  if (message.ts_event === "0") return; // there has been no event yet
  const ms = milliseconds(message.ts_event);
  prices.best(ms / 1000, levels.bids[0], levels.asks[0]);
  heat.add(ms, levels.bids, levels.asks);
  heatMap.draw();
}

function traded(trades) {
  tape.add(trades);
  prices.add(trades);
  for (const trade of trades) {
    if (!priced(trade)) continue;
    lastTrade = trade;
    heat.trade(...told(trade));
  }
  heatMap.draw();
  touch();
}

const milliseconds = (ns) => Number(BigInt(ns) / 1_000_000n);

function take(type, message) {
  if (type === "snapshot") {
    levels.snapshot(message);
    bookMessage(message);
  } else if (type === "update") {
    if (levels.update(message)) bookMessage(message);
    else if (levels.held) {
      lost();
      stream?.again("a message was missed");
    }
  } else if (type === "subscribed") {
    if (message.channel === "book") bookClass = message.class;
  } else if (type === "resync") {
    if (message.class === bookClass) lost(); // its snapshot follows; of trades nothing is void
  } else if (type === "trade") {
    traded(message.trades);
  } else if (type === "status") {
    badge.status(message);
    if (message.feed !== "live") heat.gap();
    touch();
  }
}

function stands(state, why) {
  if (state !== "open") heat.gap();
  badge.connection(state, why);
}

export const bar = root.dataset.at
  ? new ReplayBar(root.dataset, badge, {
      message: take,
      state: stands,
      wentTo,
      before,
      classes: () => (bookClass ? [bookClass] : []),
    })
  : null;
const stream = bar ? null : new Stream(take, stands);

/** The replay stands at another time: what was after it is not known yet. Whether what was before it is. */
function wentTo(ns) {
  const ms = milliseconds(ns);
  const known = heat.rewind(ms);
  if (known) prices.rewind(ms / 1000);
  else {
    heat.clear();
    prices.clear();
  }
  tape.restart(known ? ns : 0);
  lastTrade = tape.trades.at(-1) ?? null;
  touch();
  return known;
}

/** The messages of the minutes before the time that a replay went to. */
function before(messages) {
  const then = new Levels(levels.depth);
  const books = [];
  const trades = [];
  for (const message of messages) {
    if (message.type === "trade") trades.push(...message.trades);
    else if (message.type === "snapshot") then.snapshot(message);
    if ((message.type === "update" && then.update(message)) || message.type === "snapshot") {
      if (message.ts_event !== "0") books.push([milliseconds(message.ts_event), then.bids, then.asks]);
    }
  }
  const all = [...trades, ...tape.trades].filter(priced);
  tape.restart(newest?.ts_replay ?? bar.at, trades);
  heat.begin(books, all.map(told));
  prices.clear();
  for (const [ms, bids, asks] of books) prices.best(ms / 1000, bids[0], asks[0]);
  prices.add(all);
  lastTrade = tape.trades.at(-1) ?? null;
  heatMap.regrouped();
  touch();
}

const priced = (trade) => trade.price !== null;
const told = (trade) => [milliseconds(trade.ts_event), units(trade.price), trade.size, trade.side];

function lost() {
  levels.drop();
  heat.gap();
}

/** Other groups of ticks, another depth, another span of time. */
function rearrange(name) {
  if (name === "minutes") heatMap.minutes = prices.minutes = choices.minutes;
  else {
    grid.group = choices.group;
    ladder.arrange(choices.rows);
    heatMap.regrouped();
    if (levels.depth !== choices.carried) open();
  }
  touch();
}

function open() {
  levels.drop();
  levels.depth = choices.carried;
  if (bar) {
    bar.open(levels.depth);
    return;
  }
  const url = new URL(root.dataset.events, location);
  url.searchParams.set("depth", levels.depth);
  stream.open(url.pathname + url.search);
}

/** What the server has of the last minutes: the pictures begin with it. */
async function history() {
  const asked = choices.publisher ? `?publisher=${choices.publisher}` : "";
  const paths = [`history${asked}`, ...(asked ? [] : ["levels"])];
  const [past, levels] = await Promise.all(paths.map(async (path) => {
    const answer = await fetch(`${root.dataset.path}/${path}`).catch(() => null);
    return answer?.ok ? answer.json() : null;
  }));
  if (past) prices.begin(past);
  if (root.dataset.history) stored();
  if (past && levels?.samples.length) {
    const live = tape.trades.map(told);
    const first = live[0]?.[0] ?? Infinity;
    const older = past.trades.map(([ts, text, ...rest]) => [ts * 1000, units(text), ...rest]);
    heat.begin(sampled(levels), [...older.filter(([ms]) => ms < first), ...live]);
    heatMap.regrouped();
  }
  touch();
}

/** The hour before, where a database has it. */
async function stored() {
  const answer = await fetch(`${root.dataset.path}/stored${location.search}`).catch(() => null);
  const found = answer?.ok ? await answer.json() : {};
  const [bbo, trades] = [found.bbo, found.trades].map((each) => (each?.rows ?? []).reverse());
  prices.begin({
    ts: bbo.map((row) => milliseconds(row.ts) / 1000),
    bid: bbo.map((row) => row.bid_px),
    ask: bbo.map((row) => row.ask_px),
    trades: trades.filter(priced).map(({ ts_event: ts, price: at, size: many, side }) =>
      [milliseconds(ts) / 1000, at, many, side]),
  });
  touch();
}

function holdLadder() {
  const held = byId("hold").getAttribute("aria-pressed") !== "true";
  byId("hold").setAttribute("aria-pressed", String(held));
  ladder.hold(held);
}

function closeQueue() {
  queue.hide();
  ladder.unchoose();
}

const ACTS = {
  c: () => ladder.recentre(),
  h: holdLadder,
  f: () => heatMap.hold(!heatMap.held),
  "+": () => heatMap.zoomed(1),
  "-": () => heatMap.zoomed(-1),
  Escape: closeQueue,
};
if (bar) Object.assign(ACTS, { p: () => bar.toggle(), ".": () => bar.step(), ",": () => bar.back() });
const BUTTONS = { recentre: "c", hold: "h", "close-queue": "Escape" };
Object.assign(BUTTONS, { "heat-hold": "f", "heat-in": "+", "heat-out": "-" });
for (const [id, key] of Object.entries(BUTTONS)) byId(id).addEventListener("click", ACTS[key]);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
  ACTS[event.key]?.();
});

open();
if (!bar) history();
