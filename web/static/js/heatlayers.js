// The layers of the heat map, the lowest first. Each draws what a `HeatMap` sees onto its canvas.

import { COLUMN_MS } from "./heat.js";
import { ROOM } from "./heatplane.js";
import { price as priceText, size as sizeText } from "./numbers.js";

export const AXIS = 20; // of times, in CSS pixels
const LABEL = 18; // between prices that are named, at least
const DOT_MOST = 9;
const DOT_FULL = 20; // the size of a trade that is as large as it gets, where there are no larger ones
const DOT_APART = 5; // pixels
const FONT = "11px system-ui, sans-serif";
/** ms since the epoch as so many letters of the time of day, UTC. */
export const utc = (ms, letters) => new Date(ms).toISOString().slice(11, 11 + letters);

export function picture(view) {
  const { context, plane } = view;
  const span = COLUMN_MS * plane.ratio;
  const [first, last] = [plane.column - view.columns, plane.column];
  const wide = view.width / view.columns;
  context.imageSmoothingEnabled = false;
  for (let from = first; from <= last; ) {
    const at = from % ROOM;
    const count = Math.min(ROOM - at, last - from + 1);
    const x = view.x(from * span);
    const y = plane.top - view.top;
    context.drawImage(plane.canvas, at, y, count, view.rows, x, 0, count * wide, view.height);
    from += count;
  }
}

export function lines(view) {
  const { context, plane, heat } = view;
  const span = COLUMN_MS * plane.ratio;
  const first = Math.max(plane.column - view.columns, Math.floor(heat.oldest / plane.ratio));
  const best = [];
  for (let each = first; each <= plane.column; each++) {
    best.push(heat.best(Math.min(heat.newest, (each + 1) * plane.ratio - 1)));
  }
  for (const [side, name] of [[0, "bid"], [1, "ask"]]) {
    context.beginPath();
    let before = null;
    best.forEach((pair, i) => {
      const row = pair[side];
      if (row !== null) {
        const x = view.x((first + i) * span);
        const y = view.y(plane.bucket(row, side === 1)) + view.rowHeight / 2;
        if (before === null) context.moveTo(x, y);
        else context.lineTo(x, before);
        context.lineTo(x, y);
        before = y;
      } else before = null;
    });
    if (before !== null) context.lineTo(view.width, before);
    context.lineJoin = "round";
    context.strokeStyle = view.colour["heat-0"];
    context.lineWidth = 3;
    context.stroke();
    context.strokeStyle = view.colour[name];
    context.lineWidth = 1.5;
    context.stroke();
  }
}

/** Trades: the area is the size. Those so near to each other that they would cover each other are one. */
export function dots(view) {
  const { context, colour, plane } = view;
  const span = (view.span / view.width) * DOT_APART;
  const sums = new Map();
  view.heat.eachTrade(view.now - view.span, (ms, row, size, side) => {
    const bucket = plane.bucket(row, side > 0);
    const down = Math.floor(view.top) - bucket;
    if (down < -1 || down > view.rows + 1) return;
    const place = (Math.floor(ms / span) * 1024 + down) * 3 + side; // a number for each place: rows are fewer
    const sum = sums.get(place);
    if (sum) sum.size += size;
    else sums.set(place, { ms, bucket, size, side });
  });
  const shown = [...sums.values()].sort((a, b) => b.size - a.size); // small ones on large ones
  const full = Math.sqrt(Math.max(DOT_FULL, shown[Math.floor(shown.length / 100)]?.size ?? 1));
  context.lineWidth = 0.75;
  context.strokeStyle = colour["heat-0"];
  for (const { ms, bucket, size, side } of shown) {
    context.fillStyle = side > 0 ? colour.bid : side < 0 ? colour.ask : colour.soft;
    context.beginPath();
    const radius = Math.min(DOT_MOST, Math.max(1.5, (Math.sqrt(size) / full) * DOT_MOST));
    context.arc(view.x(ms), view.y(bucket) + view.rowHeight / 2, radius, 0, 2 * Math.PI);
    context.globalAlpha = 0.8;
    context.fill();
    context.globalAlpha = 1;
    context.stroke();
  }
}

/** The book of now, and the prices. */
export function ladder(view) {
  const { context, colour, width, height, rowHeight } = view;
  const bars = view.side - view.labels;
  context.save();
  context.beginPath();
  context.rect(width, 0, view.side, height);
  context.clip();
  context.fillStyle = colour.card;
  context.fillRect(width, 0, view.side, height);
  context.font = FONT;
  context.textBaseline = "middle";
  const sides = view.plane.current();
  const inSight = ([at]) => at <= view.top && at > view.top - view.rows;
  const seen = sides.flatMap((side) => [...side].filter(inSight));
  const most = Math.max(1, ...seen.map(([, size]) => size));
  sides.forEach((side, i) => {
    for (const [at, size] of side) {
      const y = view.y(at);
      if (y < -rowHeight || y > height) continue;
      context.fillStyle = colour[i ? "ask-bar" : "bid-bar"];
      const long = Math.max(1.5, (size / most) * (bars - 2));
      context.fillRect(width + 1, y + 0.5, long, Math.max(1, rowHeight - 1));
      if (rowHeight < 11) continue;
      context.fillStyle = colour[i ? "ask" : "bid"];
      context.fillText(sizeText(size), width + 5, y + rowHeight / 2 + 0.5);
    }
  });
  prices(view, width + bars);
  context.restore();
  context.fillStyle = colour.line;
  context.fillRect(width, 0, 1, height);
}

function prices(view, x) {
  const { context, colour, rowHeight } = view;
  const [bid, ask] = view.heat.best(view.heat.newest);
  const best = [bid, ask].map((row, i) => (row === null ? null : view.plane.bucket(row, i === 1)));
  const every = [1, 2, 5, 10, 20, 25, 50, 100, 200, 500].find((each) => each * rowHeight >= LABEL) ?? 1000;
  for (let at = Math.ceil(view.top); at > view.top - view.rows - 1; at--) {
    const side = best.indexOf(at);
    const near = best.some((each) => each !== null && Math.abs(each - at) * rowHeight < LABEL - 4);
    if (side < 0 && (at % every || near)) continue;
    context.fillStyle = side < 0 ? colour.soft : colour[side ? "ask" : "bid"];
    context.font = side < 0 ? FONT : `600 ${FONT}`;
    const text = priceText(view.grid.price(at * view.grid.group), view.decimals);
    // The two best may be nearer than their names are high: each gives way outwards.
    const room = best[0] !== null && best[1] !== null ? (best[1] - best[0]) * rowHeight : LABEL;
    const aside = side < 0 || room >= 13 ? 0 : ((13 - room) / 2) * (side ? -1 : 1);
    context.fillText(text, x + 4, view.y(at) + rowHeight / 2 + aside + 0.5);
  }
  context.font = FONT;
}

export function times(view) {
  const { context, colour, height, width } = view;
  context.fillStyle = colour.card;
  context.fillRect(0, height, width + view.side, AXIS);
  context.fillStyle = colour.line;
  context.fillRect(0, height, width + view.side, 1);
  context.fillStyle = colour.soft;
  context.textBaseline = "middle";
  context.textAlign = "center";
  const { span } = view;
  const every = [10, 15, 30, 60, 120, 300].find((each) => (each * 1000 * width) / span >= 84) * 1000;
  for (let ms = Math.floor(view.now / every) * every; ; ms -= every) {
    const x = view.x(ms);
    if (x < 24) break;
    if (x < width - 20) context.fillText(utc(ms, 8), x, height + AXIS / 2 + 1);
  }
  context.textAlign = "left";
}

/** What is pointed at. */
export function cross(view) {
  const at = view.pointer && view.reading(view.pointer);
  const { context, colour } = view;
  let text = "";
  if (at) {
    const { x, y } = view.pointer;
    context.fillStyle = colour.text;
    context.globalAlpha = 0.5;
    context.fillRect(0, y, view.width, 1);
    context.fillRect(x, 0, 1, view.height);
    context.globalAlpha = 1;
    text = `${priceText(at.price, view.decimals)} · ${utc(at.ms, 10)}` +
      (at.size === null ? "" : ` · ${sizeText(at.size)} resting`);
  }
  if (view.said.textContent !== text) view.said.textContent = text;
}
