// The bar of a replay: when it is, and how it goes on. The address of the page is the instant's.

import { moment } from "./numbers.js";
import { Replay } from "./replay.js";

const SHOW_MS = 100;
const byId = (id) => document.getElementById(id);

export class ReplayBar {
  /**
   * @param {DOMStringMap} book the page's data: name, publisher, at (ns)
   * @param {import("./badge.js").Badge} badge
   * @param {{message: Function, state: Function, wentTo: (ns: string) => boolean, before: Function,
   *   classes: () => string[]}} page where messages go; `wentTo` says whether what was before is still known
   */
  constructor(book, badge, page) {
    this.book = book;
    this.badge = badge;
    this.page = page;
    this.state = "paused";
    this.speed = 1;
    this.at = book.at; // ns, of the newest that was told
    this.told = performance.now();
    this.dragged = false;
    this.replay = new Replay(
      { instrument: book.name, publisher: book.publisher ? Number(book.publisher) : undefined },
      {
        onMessage: (type, message) => this.#message(type, message),
        onState: page.state,
        onReplay: (state) => this.#stands(state),
        onBefore: page.before,
        onAgain: () => this.open(this.replay.depth),
      },
    );
    this.#listen();
    setInterval(() => this.state === "playing" && this.#show(), SHOW_MS);
  }

  /** At the time where it stands, with so many levels. */
  open(depth) {
    this.replay.open(this.at, depth, this.#chosenSpeed());
    this.#show();
  }

  toggle() {
    if (this.state === "playing") {
      this.replay.pause();
      for (const each of this.page.classes()) this.replay.whole(each); // what its rate held back
    } else if (this.state === "ended") this.#problem("It has ended: go to an earlier time.");
    else this.replay.play();
  }

  step() {
    this.replay.step();
  }

  /** To just before the last record of the book: the API knows when that came. */
  async back() {
    if (this.state === "playing") this.toggle();
    const { name, publisher } = this.book;
    const asked = new URLSearchParams({ at: this.at, ...(publisher && { publisher }) });
    const answer = await fetch(`/v1/books/${encodeURIComponent(name)}/bbo?${asked}`);
    if (!answer.ok) return;
    const { metadata } = await answer.json();
    this.replay.seek(String(BigInt(metadata.ts_recv) - 1n));
  }

  #message(type, message) {
    if (type === "resync" && message.reason === "seek" && this.page.classes().includes(message.class)) {
      this.at = this.replay.time = message.ts_replay;
      if (!this.page.wentTo(this.at)) this.replay.askBefore(this.at);
    } else if (message.ts_replay) this.#now(message.ts_replay);
    this.page.message(type, message);
  }

  /** How the replay stands: an answer to what was asked, or its progress. */
  #stands({ error, state, reason, ts_replay: ns, speed }) {
    if (error) return this.#problem(error);
    this.state = state;
    if (speed !== undefined) this.speed = speed === "max" ? 0 : speed;
    this.#now(ns);
    const playing = state === "playing";
    byId("r-play").setAttribute("aria-pressed", String(playing));
    byId("r-play").textContent = playing ? "❚❚ Pause" : "▶ Play";
    this.#problem(state === "ended" ? "That is all that is kept." : state === "failed" ? reason : "");
    const { from, until } = this.replay.kept ?? {};
    const line = byId("r-line");
    line.disabled = !from || !until;
    if (from && until) [line.min, line.max] = [from, until].map((each) => String(BigInt(each) / 1_000_000n));
    this.#show();
    if (!playing) this.#keep();
  }

  #now(ns) {
    this.at = ns;
    this.told = performance.now();
    if (this.state !== "playing") this.#show();
  }

  #show() {
    const gone = this.state === "playing" ? (performance.now() - this.told) * this.speed : 0;
    const ns = BigInt(this.at) + BigInt(Math.min(1200, Math.round(gone))) * 1_000_000n;
    const text = moment(ns);
    this.badge.replay(this.state === "playing" ? "replay" : "past", text);
    const said = byId("r-time");
    if (said.textContent !== text) said.textContent = text;
    if (!this.dragged) byId("r-line").value = String(ns / 1_000_000n);
  }

  /** In the address, so that it can be passed on. */
  #keep() {
    const url = new URL(location.href);
    url.searchParams.set("at", this.at);
    history.replaceState(history.state, "", url);
    byId("r-here").href = url.search;
    for (const each of document.querySelectorAll("#view [name=at]")) each.value = this.at;
  }

  #problem(text) {
    byId("r-word").textContent = text;
  }

  #chosenSpeed() {
    const { value } = byId("r-speed");
    return value === "max" ? value : Number(value);
  }

  #listen() {
    byId("r-play").addEventListener("click", () => this.toggle());
    byId("r-step").addEventListener("click", () => this.step());
    byId("r-back").addEventListener("click", () => this.back());
    byId("r-speed").addEventListener("change", () => this.replay.speed(this.#chosenSpeed()));
    const line = byId("r-line");
    line.addEventListener("input", () => {
      this.dragged = true;
      byId("r-time").textContent = moment(BigInt(line.value) * 1_000_000n);
    });
    line.addEventListener("change", () => {
      this.dragged = false;
      this.replay.seek(`${line.value}000000`);
    });
    byId("r-go").addEventListener("submit", (event) => {
      event.preventDefault();
      this.replay.seek(byId("r-at").value.trim());
    });
  }
}
