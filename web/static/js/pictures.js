// The pictures: the price over the last minutes, and the depth. uPlot draws them.


const MOST = 12000;
const LONGEST_S = 3600;
const steps = uPlot.paths.stepped({ align: 1 });

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { bid: of("--bid"), ask: of("--ask"), soft: of("--soft"), line: of("--line-soft"), text: of("--text") };
}

const font = "12px system-ui, sans-serif";

function axes(look, more) {
  const grid = { stroke: look.line, width: 1 };
  const base = { stroke: look.soft, font, grid, ticks: { show: false } };
  return more.map((each) => ({ ...base, ...each }));
}

/** Draw anew when the colour scheme or the size changes. */
class Picture {
  constructor(root) {
    this.root = root;
    this.plot = null;
    this.seen = true;
    new ResizeObserver(() => this.#fit()).observe(root);
    new IntersectionObserver(([entry]) => {
      this.seen = entry.isIntersecting;
      if (this.seen && this.plot) this.draw(); // what came while it was out of sight
    }).observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.make());
  }

  make() {
    this.plot?.destroy();
    const { clientWidth: width, clientHeight: height } = this.root;
    const look = colours();
    const options = { width: width - 12, height: height - 8, legend: { show: false }, ...this.options(look) };
    this.plot = new uPlot(options, this.data(), this.root);
  }

  draw() {
    if (!this.plot) this.make();
    else if (this.seen) this.plot.setData(this.data());
  }

  #fit() {
    const { clientWidth, clientHeight } = this.root;
    this.plot?.setSize({ width: clientWidth - 12, height: clientHeight - 8 });
  }
}

export class PricePicture extends Picture {
  constructor(root, decimals) {
    super(root);
    this.decimals = decimals;
    this.minutes = 5;
    this.clear();
  }

  clear() {
    this.ts = [];
    this.bid = [];
    this.ask = [];
    this.trades = [];
  }

  /** Only what was until then (s) has been. */
  rewind(until) {
    const kept = this.ts.findLastIndex((ts) => ts <= until) + 1;
    for (const each of [this.ts, this.bid, this.ask]) each.length = kept;
    this.trades = this.trades.filter((trade) => trade[0] <= until);
  }

  /** The server's samples and last trades; what came live in the meantime stays. */
  begin(history) {
    const first = this.ts[0] ?? Infinity;
    const before = { ts: [], bid: [], ask: [] };
    const number = (text) => (text === null ? null : Number(text));
    history.ts.forEach((ts, i) => {
      if (ts >= first || ts <= (before.ts.at(-1) ?? 0)) return;
      before.ts.push(ts);
      before.bid.push(number(history.bid[i]));
      before.ask.push(number(history.ask[i]));
    });
    for (const each of ["ts", "bid", "ask"]) this[each].unshift(...before[each]);
    const since = this.trades[0]?.[0] ?? Infinity;
    const older = history.trades.filter((trade) => trade[0] < since);
    this.trades.unshift(...older.map(([ts, text, size, side]) => [ts, Number(text), size, side]));
  }

  best(now, bid, ask) {
    const last = this.ts.length - 1;
    if (now <= (this.ts[last] ?? 0)) return;
    this.ts.push(now);
    this.bid.push(bid ? Number(bid.text) : null);
    this.ask.push(ask ? Number(ask.text) : null);
    if (this.ts.length > MOST) this.#thin();
  }

  add(trades) {
    for (const { ts_event, price: text, size, side } of trades) {
      if (text !== null) this.trades.push([Number(BigInt(ts_event) / 1_000_000n) / 1000, Number(text), size, side]);
    }
    if (this.trades.length > MOST) {
      // Of the older ones the larger of each two.
      const older = this.trades.splice(0, MOST / 2);
      this.trades.unshift(...older.filter((trade, i) => trade[2] > (older[i ^ 1]?.[2] ?? 0)));
    }
  }

  /** The last hour in bounded memory: of what is older every second sample goes. */
  #thin() {
    const from = this.ts.at(-1) - LONGEST_S;
    const keep = this.ts.map((ts, i) => ts >= from && (i > (MOST * 2) / 3 || i % 2 === 0));
    for (const name of ["ts", "bid", "ask"]) this[name] = this[name].filter((_, i) => keep[i]);
  }

  data() {
    return [this.ts, this.bid, this.ask];
  }

  options(look) {
    const decimals = this.decimals;
    const utc = (ts) => new Date(ts * 1000).toISOString().slice(11, 19);
    return {
      tzDate: (ts) => uPlot.tzDate(new Date(ts * 1e3), "Etc/UTC"),
      cursor: { drag: { x: false, y: false }, points: { size: 5 } },
      scales: {
        x: { range: () => [this.#from(), this.ts.at(-1) + 1] },
        y: { range: (_, low, high) => this.#range(low, high) },
      },
      axes: axes(look, [
        { values: (_, splits) => splits.map(utc), space: 90, size: 28 },
        { side: 1, size: 66, values: (_, splits) => splits.map((each) => each.toFixed(decimals)), space: 34 },
      ]),
      series: [
        {},
        { stroke: look.bid, width: 1.25, paths: steps, points: { show: false } },
        { stroke: look.ask, width: 1.25, paths: steps, points: { show: false } },
      ],
      hooks: { draw: [(plot) => this.#dots(plot, look)] },
    };
  }

  /** Where the picture begins: as many minutes ago as were chosen, or one where no more is known. */
  #from() {
    const now = this.ts.at(-1);
    return Math.max(now - this.minutes * 60, Math.min(this.ts[0], now - 60));
  }

  /** Of what is seen: uPlot's own range is of all that is held. */
  #range() {
    const from = this.#from();
    let [low, high] = [Infinity, -Infinity];
    for (let i = this.ts.length - 1; i >= 0 && this.ts[i] >= from; i--) {
      if (this.bid[i] !== null) low = Math.min(low, this.bid[i]);
      if (this.ask[i] !== null) high = Math.max(high, this.ask[i]);
    }
    if (low > high) return [0, 1];
    const room = Math.max((high - low) * 0.08, 10 ** -this.decimals);
    return [low - room, high + room];
  }

  #dots(plot, look) {
    const { ctx } = plot;
    const from = this.#from();
    const unit = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
    ctx.clip();
    ctx.globalAlpha = 0.4;
    for (let i = this.trades.length - 1; i >= 0 && this.trades[i][0] >= from; i--) {
      const [ts, at, size, side] = this.trades[i];
      ctx.fillStyle = side === "B" ? look.bid : side === "A" ? look.ask : look.soft;
      ctx.beginPath();
      const radius = Math.min(0.9 + Math.sqrt(size) * 0.4, 6) * unit;
      ctx.arc(plot.valToPos(ts, "x", true), plot.valToPos(at, "y", true), radius, 0, 2 * Math.PI);
      ctx.fill();
    }
    ctx.restore();
  }
}

export class DepthPicture extends Picture {
  constructor(root, decimals) {
    super(root);
    this.decimals = decimals;
    this.levels = { bids: [], asks: [] };
  }

  paint(levels) {
    this.levels = levels;
    this.draw();
  }

  /** Both sides on one axis of prices, sizes added up from the best outwards. */
  data() {
    const points = [];
    for (const [side, index] of [[this.levels.bids, 1], [this.levels.asks, 2]]) {
      let sum = 0;
      for (const level of side) {
        sum += level.size;
        const point = [Number(level.text), null, null];
        point[index] = sum;
        points.push(point);
      }
    }
    points.sort((a, b) => a[0] - b[0]);
    return [0, 1, 2].map((column) => points.map((point) => point[column]));
  }

  options(look) {
    const decimals = this.decimals;
    const side = (stroke, align) => ({
      stroke,
      width: 1.5,
      fill: stroke + "26",
      paths: uPlot.paths.stepped({ align }),
      points: { show: false },
    });
    return {
      cursor: { drag: { x: false, y: false }, points: { size: 5 } },
      scales: { x: { time: false }, y: { range: (_, __, high) => [0, (high || 1) * 1.05] } },
      axes: axes(look, [
        { values: (_, splits) => splits.map((each) => each.toFixed(decimals)), space: 70, size: 28 },
        { side: 1, size: 66, space: 34, values: (_, splits) => splits.map((each) => each.toLocaleString("en-US")) },
      ]),
      series: [{}, side(look.bid, -1), side(look.ask, 1)],
    };
  }
}
