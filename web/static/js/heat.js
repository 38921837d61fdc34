// What the heat map shows: the resting size at every price, ten times a second of the venue's time, in memory
// that does not grow. A column is the book as it was when its tenth of a second ended.

export const COLUMN_MS = 100;
export const COLUMNS = 9_000; // fifteen minutes
const CELLS = 1 << 21;
const TRADES = 16_384;
const NONE = -0x80000000;

export class Heat {
  /** @param {import("./grid.js").Grid} grid where prices lie */
  constructor(grid) {
    this.grid = grid;
    this.rows = new Int32Array(CELLS); // ticks from the grid's base
    this.sizes = new Uint32Array(CELLS);
    this.starts = new Int32Array(COLUMNS); // where a column's cells begin
    this.bidCounts = new Int32Array(COLUMNS);
    this.counts = new Int32Array(COLUMNS);
    this.bids = new Int32Array(COLUMNS); // the best ones
    this.asks = new Int32Array(COLUMNS);
    this.trades = {
      ms: new Float64Array(TRADES),
      rows: new Int32Array(TRADES),
      sizes: new Float64Array(TRADES),
      sides: new Int8Array(TRADES),
    };
    this.clear();
  }

  clear() {
    this.newest = -1; // number of the column that is under way
    this.oldest = 0;
    this.now = 0; // ms since the epoch
    this.book = null;
    this.free = 0;
    this.broken = false;
    this.traded = 0;
    this.changes = (this.changes ?? 0) + 1; // what was drawn from the ring is void
  }

  /** What was before, and is known only now; what came meanwhile stays, but for its first columns.
   *  @param {Iterable<[number, object[], object[]]>} books ms, bids, asks; the oldest first
   *  @param {[number, bigint, number, string][]} trades ms, price, size, side; all, the oldest first */
  begin(books, trades) {
    const { book, now } = this;
    this.clear();
    for (const each of books) if (each[0] < now || !book) this.add(...each);
    for (const trade of trades) this.trade(...trade);
    if (book) this.add(now, book.bids, book.asks);
  }

  /** Go back to a time that is still known; false if it is not. What was after it never was. */
  rewind(ms) {
    const column = Math.floor(ms / COLUMN_MS);
    if (this.newest < 0 || column < this.oldest || column > this.newest) return false;
    if (column < this.newest) {
      const levels = [[], []];
      this.each(column, (row, size, ask) => levels[Number(ask)].push({ price: this.grid.price(row), size }));
      this.book = { bids: levels[0], asks: levels[1] };
    }
    this.newest = column;
    this.now = ms;
    const { trades } = this;
    while (this.traded && trades.ms[(this.traded - 1) % TRADES] > ms) this.traded--;
    this.changes++;
    return true;
  }

  /** The book at a time. */
  add(ms, bids, asks) {
    const finer = this.grid.fit([...bids, ...asks]);
    if (finer > 1) this.#refine(finer);
    const column = Math.floor(ms / COLUMN_MS);
    const back = this.newest - column;
    if (this.newest >= 0 && (back > 600 || -back > COLUMNS)) this.clear();
    if (this.newest < 0) this.oldest = column;
    else if (column > this.newest) this.#close(column);
    this.newest = Math.max(this.newest, column);
    this.now = Math.max(this.now, ms);
    this.book = { bids, asks };
    this.broken = false;
  }

  /** What follows does not follow on what was: the columns in between stay empty. */
  gap() {
    this.broken = true;
  }

  /** A trade; what trades at once at a price is one. */
  trade(ms, price, size, side) {
    if (this.grid.base === null) return;
    const { trades } = this;
    const row = this.grid.row(price);
    const sign = side === "B" ? 1 : side === "A" ? -1 : 0;
    const last = (this.traded - 1) % TRADES;
    if (this.traded && trades.rows[last] === row && trades.sides[last] === sign
      && ms - trades.ms[last] < COLUMN_MS) {
      trades.sizes[last] += size;
      return;
    }
    const at = this.traded++ % TRADES;
    trades.ms[at] = ms;
    trades.rows[at] = row;
    trades.sizes[at] = size;
    trades.sides[at] = sign;
  }

  /** Call with every trade since, the newest first: ms, row, size, side (1 a buyer's, -1 a seller's, 0). */
  eachTrade(since, call) {
    const { ms, rows, sizes, sides } = this.trades;
    for (let i = this.traded - 1; i >= Math.max(0, this.traded - TRADES); i--) {
      const at = i % TRADES;
      if (ms[at] < since) return;
      call(ms[at], rows[at], sizes[at], sides[at]);
    }
  }

  /** Call with every level of a column: row, size, whether it is an ask. The column under way is the book. */
  each(column, call) {
    if (column === this.newest && this.book) {
      for (const level of this.book.bids) call(this.grid.row(level.price), level.size, false);
      for (const level of this.book.asks) call(this.grid.row(level.price), level.size, true);
      return;
    }
    if (column < this.oldest || column >= this.newest) return;
    const slot = column % COLUMNS;
    const start = this.starts[slot];
    const asks = start + this.bidCounts[slot];
    const end = start + this.counts[slot];
    for (let i = start; i < end; i++) call(this.rows[i], this.sizes[i], i >= asks);
  }

  /** The best bid's and ask's row in a column; null where there was none. */
  best(column) {
    if (column === this.newest && this.book) {
      const { bids, asks } = this.book;
      return [bids[0], asks[0]].map((level) => (level ? this.grid.row(level.price) : null));
    }
    if (column < this.oldest || column >= this.newest) return [null, null];
    const slot = column % COLUMNS;
    return [this.bids[slot], this.asks[slot]].map((row) => (row === NONE ? null : row));
  }

  /** The size at a price at a time: for whoever points at it. */
  sizeAt(ms, price) {
    const wanted = this.grid.row(price);
    let sum = 0;
    this.each(Math.floor(ms / COLUMN_MS), (row, size) => (sum += row === wanted ? size : 0));
    return sum;
  }

  /** The column under way has ended; those until the next one are like it, or empty after a gap. */
  #close(next) {
    const { bids, asks } = this.book;
    const count = bids.length + asks.length;
    if (this.free + count > CELLS) this.#wrap();
    const start = this.free;
    this.free += count;
    this.#forget(start, this.free, next);
    let at = start;
    for (const level of bids) this.#cell(at++, level);
    for (const level of asks) this.#cell(at++, level);
    for (let column = this.newest; column < next; column++) {
      const slot = column % COLUMNS;
      const blank = this.broken && column > this.newest;
      this.starts[slot] = start;
      this.bidCounts[slot] = blank ? 0 : bids.length;
      this.counts[slot] = blank ? 0 : count;
      this.bids[slot] = blank || !bids.length ? NONE : this.grid.row(bids[0].price);
      this.asks[slot] = blank || !asks.length ? NONE : this.grid.row(asks[0].price);
    }
  }

  /** Columns whose place in the ring, or whose cells, are needed are no more. */
  #forget(start, end, next) {
    this.oldest = Math.max(this.oldest, next - COLUMNS + 1);
    while (this.oldest < this.newest) {
      const slot = this.oldest % COLUMNS;
      const from = this.starts[slot];
      if (from >= end || from + Math.max(1, this.counts[slot]) <= start) return;
      this.oldest++;
    }
  }

  /** Begin with the first cells again; what lies behind the last one that was written is the oldest. */
  #wrap() {
    while (this.oldest < this.newest && this.starts[this.oldest % COLUMNS] >= this.free) this.oldest++;
    this.free = 0;
  }

  #cell(at, level) {
    this.rows[at] = this.grid.row(level.price);
    this.sizes[at] = level.size;
  }

  /** The tick is finer than was thought. */
  #refine(times) {
    for (const rows of [this.rows, this.trades.rows]) for (let i = 0; i < rows.length; i++) rows[i] *= times;
    for (const rows of [this.bids, this.asks]) {
      for (let i = 0; i < rows.length; i++) if (rows[i] !== NONE) rows[i] *= times;
    }
    this.changes++;
  }
}

/** The server's samples as books: ms, bids, asks.
 *  @param {{tick: string, samples: [number, number[], number[]][]}} past sizes by tick */
export function* sampled({ tick, samples }) {
  for (const [ms, bids, asks] of samples) {
    yield [ms, unpacked(bids, BigInt(tick), -1n), unpacked(asks, BigInt(tick), 1n)];
  }
}

/** A side's levels from its best price in ticks and the sizes outwards; -n stands for n ticks without any. */
function unpacked([best, ...sizes], tick, direction) {
  if (best === undefined) return [];
  const levels = [];
  let price = BigInt(best) * tick;
  for (const size of sizes) {
    if (size > 0) levels.push({ price, size });
    price += (size > 0 ? 1n : BigInt(-size)) * tick * direction;
  }
  return levels;
}
