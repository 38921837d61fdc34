// Where an instrument's prices lie: on multiples of its tick, of which some may be shown as one.

/** All steps that may be shown divide it: rows of any grouping begin at the same prices. */
const WHOLE = 10_000n;

export class Grid {
  /**
   * @param {bigint} tick 1e-9 units; zero where none is known yet
   * @param {number} group ticks that are shown as one
   */
  constructor(tick, group) {
    this.tick = tick;
    this.group = group;
    this.base = null; // a price near the first one, from which rows are counted
  }

  /** What lies between two prices that are shown. */
  get step() {
    return this.tick * BigInt(this.group);
  }

  /** A level off the grid would not be seen: then the grid is the coarsest with all levels on it.
   *  @returns {number} how many of the ticks now make one of those before; 1 if nothing changed */
  fit(levels) {
    const before = this.tick;
    if (!before || !levels.every((level) => level.price % before === 0n)) {
      this.tick = levels.reduce((step, level) => common(step, level.price), before);
    }
    if (this.base === null && levels.length && this.tick) {
      this.base = down(levels[0].price, this.tick * WHOLE);
    }
    return before && this.tick !== before ? Number(before / this.tick) : 1;
  }

  /** The price as a number of ticks from the base. */
  row(price) {
    return Number((price - this.base) / this.tick);
  }

  /** The price of so many ticks from the base. */
  price(row) {
    return this.base + BigInt(row) * this.tick;
  }

  /** The price under which a side's price is shown: a bid's is rounded down, an ask's up, so that no two
   *  orders seem nearer to each other than they are. */
  shown(price, side) {
    return side === "ask" ? -down(-price, this.step) : down(price, this.step);
  }

  /** A side's levels with their sizes and orders added up by the price they are shown under, best first.
   *  Where the levels end because no more of them were sent, the last price may lack some: it is left out. */
  grouped(levels, side, cut) {
    if (this.group === 1) return levels;
    const sums = [];
    for (const level of levels) {
      const price = this.shown(level.price, side);
      const last = sums.at(-1);
      if (last?.price === price) {
        last.size += level.size;
        last.count += level.count;
      } else sums.push({ price, size: level.size, count: level.count, best: level.price });
    }
    if (cut && sums.length > 1) sums.pop();
    return sums;
  }
}

/** The multiple of a step at or below a price. */
function down(price, step) {
  const rest = price % step;
  return price - (rest < 0n ? rest + step : rest);
}

/** The greatest common divisor, of zero and another the other. */
function common(a, b) {
  while (b) [a, b] = [b, a % b];
  return a < 0n ? -a : a;
}
