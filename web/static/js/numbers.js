// Prices are exact: decimal strings outside, BigInt of 1e-9 inside.

const SCALE = 1_000_000_000n;

/** A decimal string in 1e-9 units. */
export function units(text) {
  const [whole, fraction = ""] = text.replace("-", "").split(".");
  const value = BigInt(whole) * SCALE + BigInt(fraction.padEnd(9, "0"));
  return text.startsWith("-") ? -value : value;
}

/** 1e-9 units with so many decimals, and more where the price needs them. */
export function price(value, decimals) {
  const size = value < 0n ? -value : value;
  const fraction = (size % SCALE).toString().padStart(9, "0");
  const shown = fraction.slice(0, decimals) + fraction.slice(decimals).replace(/0+$/, "");
  return `${value < 0n ? "-" : ""}${size / SCALE}${shown ? "." + shown : ""}`;
}

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** A size, with its thousands apart. */
export const size = (value) => grouped.format(value);

/** ns since the epoch (a string) as the time of day, UTC, with milliseconds. */
export const clock = (ns) => new Date(Number(BigInt(ns) / 1_000_000n)).toISOString().slice(11, 23);

/** ns since the epoch (a BigInt) as a date and time, UTC, with milliseconds. */
export const moment = (ns) => new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 23).replace("T", " ");

/** How long something has lasted. */
export function age(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
