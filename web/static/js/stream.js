// The page's one stream of events. It tells what came, and whether the connection stands; what is lost is
// connected anew, sooner at first and then less often.

const SILENT_MS = 4000; // the server says something every second
const FIRST_MS = 400;
const MOST_MS = 10000;
const TYPES = ["subscribed", "snapshot", "update", "bbo", "trade", "status", "resync", "heartbeat"];

export class Stream {
  /**
   * @param {(type: string, message: object) => void} onMessage
   * @param {(state: "connecting" | "open" | "reconnecting" | "refused", why: string) => void} onState
   */
  constructor(onMessage, onState) {
    this.onMessage = onMessage;
    this.onState = onState;
    this.url = "";
    this.source = null;
    this.delay = FIRST_MS;
    this.heard = 0;
    this.opened = 0;
    this.timer = 0;
    setInterval(() => this.#watch(), 1000);
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (event) => event.persisted && this.url && this.open(this.url));
    addEventListener("online", () => this.url && !this.source && this.#connect());
  }

  open(url) {
    this.close();
    this.url = url;
    this.onState("connecting", "");
    this.#connect();
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  /** Throw away what is held and begin with snapshots: after a gap. */
  again(why) {
    this.close();
    this.onState("reconnecting", why);
    this.timer = setTimeout(() => this.#connect(), this.#wait());
  }

  #connect() {
    this.close();
    this.heard = performance.now();
    const source = new EventSource(this.url);
    this.source = source;
    source.onopen = () => {
      this.opened = this.heard = performance.now();
      this.onState("open", "");
    };
    source.onerror = (event) => {
      if (event.data) return; // an error message of the server's; it closes the connection itself
      if (source.readyState === EventSource.CLOSED) this.#refused();
      else this.onState("reconnecting", "the connection was lost");
    };
    for (const type of TYPES) {
      source.addEventListener(type, (event) => {
        this.heard = performance.now();
        if (this.heard - this.opened > 5000) this.delay = FIRST_MS;
        this.onMessage(type, JSON.parse(event.data));
      });
    }
  }

  /** A browser gives up after any answer but 200: ask what it was, and try again unless it is final. */
  async #refused() {
    this.close();
    let why = "the server cannot be reached";
    try {
      const answer = await fetch("/v1/limits", { cache: "no-store" });
      if (answer.status === 401) location.reload(); // the server asks for a key in the page's place
      if (answer.status === 401 || answer.status === 403) {
        this.onState("refused", "a key is needed");
        return;
      }
      why = "the server does not take the stream now";
    } catch {
      // it is away
    }
    this.again(why);
  }

  #wait() {
    const wait = this.delay * (0.5 + Math.random());
    this.delay = Math.min(MOST_MS, this.delay * 2);
    return wait;
  }

  #watch() {
    if (this.source && performance.now() - this.heard > SILENT_MS) this.again("the server is silent");
  }
}
