// The badge: one word for how far the page can be trusted, the worst that is true.

import { age } from "./numbers.js";

const MEANING = {
  incomplete: "followed from the middle of the day: levels may be missing",
  suspect: "records were lost: do not trust it",
  crossed: "bid above ask",
  locked: "bid equals ask",
};

export class Badge {
  constructor() {
    this.root = document.getElementById("badge");
    this.word = document.getElementById("badge-word");
    this.more = document.getElementById("badge-more");
    this.line = "connecting";
    this.why = "";
    this.feed = { state: "live", since: 0, reason: "" };
    this.book = null;
    this.past = null;
    this.timer = setInterval(() => this.show(), 1000);
  }

  /** The connection's state, as the stream tells it. */
  connection(state, why) {
    this.line = state;
    this.why = why;
    this.show();
  }

  /** A status message: of the feed. */
  status(message) {
    const stale = message.feed === "stale";
    this.feed = {
      state: message.feed,
      since: stale ? performance.now() - message.age_ms : 0,
      reason: message.reason,
    };
    this.show();
  }

  /** The flags that messages about a book carry. */
  flags({ complete, suspect, stale, top }) {
    this.book = { complete, suspect, top };
    if (!stale && this.feed.state !== "live") this.feed = { state: "live", since: 0, reason: "" };
    if (stale && this.feed.state === "live") {
      this.feed = { state: "stale", since: performance.now(), reason: "" };
    }
    this.show();
  }

  /** The past is shown: it moves ("replay"), or stands still ("past"), at a time. */
  replay(word, time) {
    this.past = [word, time];
    this.show();
  }

  show() {
    const [state, more] = this.#worst();
    if (this.root.dataset.state !== state) {
      this.root.dataset.state = document.body.dataset.state = state;
      this.word.textContent = state;
    }
    document.body.dataset.state = state;
    if (this.more.textContent !== more) {
      this.more.textContent = more;
      this.root.title = more;
    }
  }

  #worst() {
    if (this.line !== "open") return [this.line, this.why];
    if (this.past) {
      const doubt = this.book?.suspect ? ", suspect" : this.book && !this.book.complete ? ", incomplete" : "";
      return [this.past[0], this.past[1] + doubt];
    }
    if (this.feed.state === "stale") {
      const lasted = age(performance.now() - this.feed.since);
      return ["stale", this.feed.reason ? `${lasted}: ${this.feed.reason}` : lasted];
    }
    if (this.feed.state === "connecting") return ["connecting", this.feed.reason];
    const book = this.book;
    if (book?.suspect) return ["suspect", MEANING.suspect];
    if (book && !book.complete) return ["incomplete", MEANING.incomplete];
    if (book && (book.top === "crossed" || book.top === "locked")) return [book.top, MEANING[book.top]];
    return ["live", ""];
  }
}
