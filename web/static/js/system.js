// The system page: htmx brings its parts; the pictures of the last minutes are drawn here, a point a second.

import { Badge } from "./badge.js";
import { Stream } from "./stream.js";

const WINDOW = 600;
const LEAST = 120; // seconds that are shown, however few there are
const byId = (id) => document.getElementById(id);
const root = byId("system");
const badge = new Badge();
const stream = new Stream(
  (type, message) => type === "status" && badge.status(message),
  (state, why) => badge.connection(state, why),
);

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const rate = (value) => (value >= 10 ? whole.format(value) : value.toFixed(1));

/** Columns: ms, records/s, messages/s, lag p50, lag p99. */
const columns = [[], [], [], [], []];

function gauge(id, lines, most) {
  const place = byId(id);
  let plot = null;
  const data = () => [columns[0].map((ms) => ms / 1000), ...lines.map(([column]) => columns[column])];
  const make = () => {
    plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: of("--soft"), font: "12px system-ui, sans-serif", ticks: { show: false } };
    const utc = (_, splits) => {
      const end = splits[1] - splits[0] < 60 ? 19 : 16; // seconds where minutes would repeat
      return splits.map((ts) => new Date(ts * 1000).toISOString().slice(11, end));
    };
    plot = new uPlot(
      {
        width: place.clientWidth - 12,
        height: place.clientHeight - 8,
        legend: { show: false },
        tzDate: (ts) => uPlot.tzDate(new Date(ts * 1e3), "Etc/UTC"),
        cursor: { drag: { x: false, y: false }, points: { size: 5 } },
        scales: {
          x: { range: (_, first, last) => [Math.min(first, last - LEAST), last] },
          y: { range: (_, __, high) => [0, Math.max(high * 1.1, most)] },
        },
        axes: [
          { ...axis, grid: { show: false }, space: 80, size: 24, values: utc },
          {
            ...axis,
            side: 1,
            size: 48,
            space: 30,
            grid: { stroke: of("--line-soft"), width: 1 },
            values: (_, splits) => splits.map((each) => short.format(each)),
          },
        ],
        series: [
          {},
          ...lines.map(([, colour, fill]) => ({
            stroke: of(colour),
            width: 1.5,
            fill: fill ? of(colour) + "26" : undefined,
            points: { show: false },
          })),
        ],
      },
      data(),
      place,
    );
  };
  new ResizeObserver(() => {
    plot?.setSize({ width: place.clientWidth - 12, height: place.clientHeight - 8 });
  }).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", make);
  return () => (plot ? plot.setData(data()) : make());
}

const draw = [
  gauge("records", [[1, "--bid", true]], 10),
  gauge("sends", [[2, "--ask", true]], 10),
  gauge("lag", [[4, "--ask", false], [3, "--bid", true]], 1),
];

function set(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

let asking = false;

async function more() {
  if (asking || document.hidden) return;
  asking = true;
  try {
    const answer = await fetch(`/system/series?since=${columns[0].at(-1) ?? 0}`, { cache: "no-store" });
    if (!answer.ok) return;
    const { epoch, rows } = await answer.json();
    if (epoch !== root.dataset.epoch) return again(epoch);
    for (const row of rows) columns.forEach((column, i) => column.push(row[i]));
    for (const column of columns) column.splice(0, Math.max(0, column.length - WINDOW));
    const [, records, sends, lag] = columns.map((column) => column.at(-1) ?? null);
    set("records-now", records === null ? "–" : rate(records));
    set("sends-now", sends === null ? "–" : rate(sends));
    set("lag-now", lag === null ? "–" : lag.toFixed(2));
    if (rows.length) for (const each of draw) each();
  } catch {
    // the server is away: the badge says so
  } finally {
    asking = false;
  }
}

/** Another process answers: this one's successor, or one beside it. Its figures begin anew. */
function again(epoch) {
  root.dataset.epoch = epoch;
  for (const column of columns) column.length = 0;
}

// Nobody looks: nothing is asked for.
document.body.addEventListener("htmx:beforeRequest", (event) => document.hidden && event.preventDefault());
document.addEventListener("visibilitychange", more);
setInterval(more, 1000);
more();
if (root.dataset.events) stream.open(root.dataset.events);
else badge.connection("connecting", "there are no books yet");
