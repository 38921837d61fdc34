// The queue of the price that was chosen: the server draws it; it is asked again when the level changes.

import { price } from "./numbers.js";

const WAIT_MS = 350;

export class QueueView {
  /** @param {() => Record<string, string>} asked what else of the page says whose and which queue it is */
  constructor(root, close, path, asked) {
    this.asked = asked;
    this.root = root;
    this.close = close;
    this.path = path;
    this.shown = null;
    this.level = "";
    this.since = 0;
    this.timer = 0;
    this.order = "";
    this.hint = root.innerHTML;
    // What is under way was asked for before the choice: it must not come after what the choice asks for.
    const choose = ({ target }) => {
      const chosen = target.closest("[hx-get]");
      if (!chosen) return;
      this.order = new URLSearchParams(chosen.getAttribute("hx-get").split("?")[1]).get("order") ?? "";
      htmx.trigger(root, "htmx:abort");
    };
    root.addEventListener("click", choose, { capture: true });
  }

  show(side, at) {
    this.shown = { side, at };
    this.level = "";
    this.order = "";
    this.close.hidden = false;
    this.root.closest("section").scrollIntoView({ block: "nearest" });
    this.#ask();
  }

  hide() {
    clearTimeout(this.timer);
    this.shown = null;
    this.close.hidden = true;
    this.root.innerHTML = this.hint;
  }

  /** The book has changed: if the level has, show its queue anew, not too often. */
  changed({ bids, asks }) {
    if (!this.shown) return;
    const { at } = this.shown;
    const [bid, ask] = [bids, asks].map((side) => side.find((each) => each.price === at));
    if (!bid !== !ask) this.shown.side = bid ? "bid" : "ask"; // the price may have come to the other side
    const level = bid ?? ask;
    const now = level ? `${level.size}/${level.count}` : "none";
    if (now === this.level || this.timer) return;
    this.level = now;
    const wait = Math.max(0, this.since + WAIT_MS - performance.now());
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.#ask();
    }, wait);
  }

  #ask() {
    if (!this.shown || document.hidden) return;
    this.since = performance.now();
    const { side, at } = this.shown;
    const query = Object.entries({ order: this.order, ...this.asked() }).filter(([, value]) => value);
    const url = `${this.path}/queue/${side}/${price(at, 0)}?${new URLSearchParams(query)}`;
    const focused = document.activeElement?.closest("#queue") ? document.activeElement.id : "";
    const scrolled = this.root.querySelector(".scroll")?.scrollTop ?? 0;
    htmx.ajax("GET", url, { target: this.root, swap: "innerHTML", source: this.root }).then(() => {
      if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
      const region = this.root.querySelector(".scroll");
      if (region) region.scrollTop = scrolled;
    });
  }
}
