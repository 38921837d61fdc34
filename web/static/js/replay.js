// The past over one WebSocket: a book from the journal, event by event, at the reader's pace. It tells what
// came as `Stream` does, and how the replay stands.

const BEFORE_NS = 120_000_000_000n; // of what went before, so that the pictures do not begin empty
const QUICKLY = { speed: 120, rate: 100 };
const AGAIN_MS = 1500;

export class Replay {
  /**
   * @param {{instrument: string, publisher: number | undefined}} what
   * @param {{onMessage: (type: string, message: object) => void,
   *   onState: (state: string, why: string) => void,
   *   onReplay: (state: object) => void, onBefore: (messages: object[]) => void, onAgain: () => void}} calls
   *   `onReplay`: how it stands; `onBefore`: the messages of the minutes before the time that was gone to
   */
  constructor(what, calls) {
    this.what = what;
    Object.assign(this, calls);
    this.socket = null;
    this.name = ""; // of the replay
    this.before = null;
    this.time = "";
    addEventListener("pagehide", () => this.close());
  }

  /** Stand at a time (ns, a string). */
  open(time, depth, speed) {
    this.close();
    this.time = time;
    this.depth = depth;
    this.onState("connecting", "");
    const socket = new WebSocket(`${location.origin.replace("http", "ws")}/v1/stream`);
    this.socket = socket;
    socket.onopen = () => {
      this.onState("open", "");
      this.#subscribe("main", { start: time, paused: true, rate: 20, speed });
      this.#ask(time);
    };
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = ({ reason }) => {
      if (this.socket === socket) this.#lost(reason || "the replay was cut off");
    };
  }

  close() {
    clearTimeout(this.timer);
    const { socket } = this;
    this.socket = null;
    this.name = "";
    this.before = null;
    socket?.close();
  }

  /** The connection is gone: the reader's time is known, so a new one can stand there. */
  #lost(why) {
    this.close();
    this.onState("reconnecting", why);
    this.timer = setTimeout(() => this.onAgain(), AGAIN_MS);
  }

  play() {
    this.#send({ op: "resume", class: this.name });
  }

  pause() {
    this.#send({ op: "pause", class: this.name });
  }

  step(count = 1) {
    this.#send({ op: "step", class: this.name, count });
  }

  speed(speed) {
    this.#send({ op: "speed", class: this.name, speed });
  }

  /** Go to a time (ns, a string). */
  seek(time) {
    this.time = time;
    this.#send({ op: "seek", id: "seek", class: this.name, time });
  }

  /** What went before, if that is wanted: after the time that is shown has changed by much. */
  #ask(time) {
    this.before = null;
    const start = BigInt(time) - BEFORE_NS;
    this.#subscribe("before", { start: String(start < 0n ? 0n : start), end: time, ...QUICKLY });
  }

  askBefore(time) {
    if (this.before) this.#send({ op: "unsubscribe", class: this.before.name });
    this.#ask(time);
  }

  #subscribe(id, more) {
    const { instrument, publisher } = this.what;
    const of = { instruments: [instrument], publisher, channels: ["book", "trades"], depth: this.depth };
    this.#send({ op: "subscribe", id, channel: "replay", ...of, ...more });
  }

  /** A snapshot: what was held back while it played is told. */
  whole(name) {
    this.#send({ op: "resync", class: name });
  }

  #send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  #take(message) {
    const { type } = message;
    if (type === "error") this.#refused(message);
    else if (type === "subscribed" && message.channel === "replay") this.#began(message);
    else if (this.before && `${message.class}/`.startsWith(`${this.before.name}/`)) this.#earlier(message);
    else if (type === "replay") this.onReplay(message);
    else this.onMessage(type, message);
  }

  #began(message) {
    if (message.id !== "main") this.before = { name: message.class, messages: [] };
    else {
      this.name = message.class;
      this.kept = { from: message.available_from, until: message.available_until };
      this.onReplay({ state: "paused", reason: "", ts_replay: this.time, speed: message.speed });
    }
  }

  #earlier(message) {
    if (message.type !== "replay") this.before.messages.push(message);
    else if (message.state === "ended" || message.state === "failed") {
      const { name, messages } = this.before;
      this.before = null;
      this.#send({ op: "unsubscribe", class: name });
      this.onBefore(messages);
    }
  }

  #refused({ id, message, available_from: from, fatal }) {
    if (id === "before") {
      if (from && BigInt(from) < BigInt(this.time)) {
        this.#subscribe("later", { start: from, end: this.time, ...QUICKLY });
      }
    } else if (id === "main" || fatal) {
      this.close();
      this.onState("refused", message);
    } else if (id !== "later") this.onReplay({ error: message });
  }
}
