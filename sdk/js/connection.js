import { Backoff } from './backoff.js';
import { systemClock } from './clock.js';
import { Emitter } from './emitter.js';
import { ConfabError } from './errors.js';

/**
 * @typedef {'stopped'|'connecting'|'authenticating'|'online'|'waiting'} ConnectionState
 * @typedef {'deadline'|'retry'|'heartbeat'|'stable'} TimerName
 */

const SUBPROTOCOL = 'confab.v1';

/** The longest that a person who watches should wait for a server that is back. */
const MAX_WAIT_MS = 15_000;

/** A link counts as good again, and its back-off starts over, only once it has held for this long. */
const STABLE_MS = 10_000;

/**
 * One WebSocket that authenticates itself, notices when it is dead, and comes back.
 *
 *     stopped ─▶ connecting ─▶ authenticating ─▶ online
 *        ▲           ▲  │            │             │
 *        │           │  ▼            ▼             ▼
 *        │           waiting ◀───────┴─────────────┘
 *        └─ stop(), or an end that coming back would not mend (close codes 4500–4999, sign-out)
 *
 * It knows nothing of rooms: whoever listens to `online` says again what it needs.
 *
 * Events: `state` {state, previous, retry_in_ms?} · `online` the `auth_success` frame ·
 * `frame` any frame after it · `down` {code, reason} the link was online and is not any more ·
 * `ended` ConfabError.
 */
export class Connection extends Emitter {
  /** @type {ConnectionState} */
  #state = 'stopped';
  /** @type {any} */
  #socket = null;
  /** Counts the attempts, so that what an older one left behind is told apart. */
  #turn = 0;
  /** @type {Record<TimerName, any>} */
  #timers = { deadline: null, retry: null, heartbeat: null, stable: null };
  #lastSeen = 0;
  #heartbeat_ms = 30_000;
  #authFailures = 0;
  #wantFreshToken = false;
  /** @type {any} the `error` frame that came instead of `auth_success` */
  #refusal = null;

  /**
   * @param {object} options
   * @param {string} options.url `ws://…/ws`
   * @param {(ask: {fresh: boolean}) => Promise<string>} options.getToken `fresh`: the last one was refused.
   *   Throws a ConfabError `signed_out` where there is none to be had.
   * @param {any} [options.WebSocket]
   * @param {import('./clock.js').Clock} [options.clock]
   * @param {() => number} [options.random]
   * @param {number} [options.connect_timeout_ms] to open, and again to authenticate
   * @param {number} [options.pong_timeout_ms]
   */
  constructor({
    url, getToken, WebSocket = globalThis.WebSocket, clock = systemClock, random = Math.random,
    connect_timeout_ms = 15_000, pong_timeout_ms = 10_000,
  }) {
    super();
    if (!WebSocket) throw new TypeError('no WebSocket here: pass a constructor as options.WebSocket');
    this.url = url;
    this.getToken = getToken;
    this.WebSocket = WebSocket;
    this.clock = clock;
    this.backoff = new Backoff({ cap_ms: MAX_WAIT_MS, random });
    this.connect_timeout_ms = connect_timeout_ms;
    this.pong_timeout_ms = pong_timeout_ms;
  }

  get state() {
    return this.#state;
  }

  get online() {
    return this.#state === 'online';
  }

  start() {
    if (this.#state !== 'stopped') return;
    this.backoff.reset();
    this.#authFailures = 0;
    this.#open();
  }

  stop() {
    this.#letGo('stopped');
    this.#set('stopped');
  }

  /** Stop waiting and try now: the network is back, or a person asks. */
  wake() {
    if (this.#state !== 'waiting') return;
    this.#clear('retry');
    this.#open();
  }

  /**
   * Is the link alive? Asks, and takes it for dead when nothing comes in time: for a computer that
   * wakes up, or a browser that says it lost the network.
   * @param {number} [within_ms]
   */
  check(within_ms = 4_000) {
    if (this.online) this.#ping(within_ms);
    else this.wake();
  }

  /**
   * Take the link for broken and come back by the usual way.
   * @param {string} why
   */
  drop(why) {
    if (this.#state !== 'connecting' && this.#state !== 'authenticating' && !this.online) return;
    this.#letGo(why);
    if (this.#state !== 'stopped') this.#wait(); // a `down` listener may have stopped it
  }

  /**
   * @param {object} frame
   * @returns {boolean} false where there is no link to send it on
   */
  send(frame) {
    if (!this.online) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  async #open() {
    const turn = ++this.#turn;
    this.#refusal = null;
    this.#set('connecting');
    let token;
    try {
      token = await this.getToken({ fresh: this.#wantFreshToken });
    } catch (error) {
      if (turn !== this.#turn) return;
      const { code, retry_after_ms } = /** @type {ConfabError} */ (error);
      if (code === 'signed_out') this.#end(/** @type {ConfabError} */ (error));
      else this.#wait(retry_after_ms);
      return;
    }
    if (turn !== this.#turn) return;
    this.#wantFreshToken = false;
    this.#connect(token);
  }

  /** @param {string} token */
  #connect(token) {
    /** @type {any} */
    let socket;
    try {
      socket = new this.WebSocket(this.url, SUBPROTOCOL);
    } catch (cause) {
      this.#end(new ConfabError('bad_url', `Cannot connect to ${this.url}`, { cause }));
      return;
    }
    this.#socket = socket;
    this.#arm('deadline', this.connect_timeout_ms, () => this.drop('connect_timeout'));
    socket.onopen = () => {
      this.#set('authenticating');
      this.#arm('deadline', this.connect_timeout_ms, () => this.drop('auth_timeout'));
      socket.send(JSON.stringify({ type: 'auth', token }));
    };
    socket.onmessage = (/** @type {{data: unknown}} */ { data }) => this.#receive(data);
    socket.onclose = (/** @type {{code: number, reason: unknown}} */ { code, reason }) => this.#closed(code, reason);
    socket.onerror = () => {}; // a close always follows, and says more
  }

  /** @param {unknown} data */
  #receive(data) {
    let frame;
    try {
      frame = JSON.parse(String(data));
    } catch {
      this.drop('bad_frame');
      return;
    }
    this.#lastSeen = this.clock.now();
    if (this.online) this.emit('frame', frame);
    else if (frame.type === 'auth_success') this.#welcome(frame);
    else if (frame.type === 'error') this.#refusal = frame;
  }

  /** @param {any} frame the `auth_success` */
  #welcome(frame) {
    this.#clear('deadline');
    this.#heartbeat_ms = frame.heartbeat_interval_ms || this.#heartbeat_ms;
    this.#set('online');
    this.#arm('stable', STABLE_MS, () => {
      this.backoff.reset();
      this.#authFailures = 0;
    });
    this.#watch();
    this.emit('online', frame);
  }

  /** Silence for one interval: ask. The server's own pings are invisible to scripts in a browser. */
  #watch() {
    const idle = this.clock.now() - this.#lastSeen;
    if (idle >= this.#heartbeat_ms) this.#ping(this.pong_timeout_ms);
    else this.#arm('heartbeat', this.#heartbeat_ms - idle, () => this.#watch());
  }

  /** @param {number} within_ms */
  #ping(within_ms) {
    const asked = this.clock.now();
    this.send({ type: 'ping' });
    this.#arm('heartbeat', within_ms, () => {
      if (this.#lastSeen > asked) this.#watch();
      else this.drop('no_pong');
    });
  }

  /**
   * @param {number} code
   * @param {unknown} reason
   */
  #closed(code, reason) {
    const told = parseReason(reason);
    const refusal = this.#refusal;
    this.#letGo(told.code ?? `closed_${code}`, code);
    if (this.#state === 'stopped') return;

    if (code >= 4500 && code <= 4999) {
      this.#end(new ConfabError(told.code ?? 'closed', told.message, { close_code: code }));
    } else if (refusal?.code === 'auth_failed' || (code === 1008 && refusal?.code !== 'auth_timeout')) {
      this.#refused(refusal);
    } else {
      this.#wait(refusal?.retry_after_ms ?? told.retry_after_ms);
    }
  }

  /**
   * A token may have run out on the way: one fresh one is tried, at once.
   * @param {any} refusal
   */
  #refused(refusal) {
    this.#authFailures += 1;
    if (this.#authFailures > 1) {
      this.#end(new ConfabError('signed_out', refusal?.message ?? 'Authentication failed', { close_code: 1008 }));
      return;
    }
    this.#wantFreshToken = true;
    this.#open();
  }

  /** @param {number} [atLeast_ms] */
  #wait(atLeast_ms) {
    const retry_in_ms = this.backoff.next(atLeast_ms);
    this.#arm('retry', retry_in_ms, () => this.#open());
    this.#set('waiting', { retry_in_ms });
  }

  /** @param {ConfabError} error */
  #end(error) {
    this.#set('stopped');
    this.emit('ended', error);
  }

  /**
   * Lets the socket go without waiting for it: a dead one may take minutes to say that it closed.
   * @param {string} reason
   * @param {number} [code]
   */
  #letGo(reason, code) {
    const wasOnline = this.online;
    const socket = this.#socket;
    this.#socket = null;
    this.#turn += 1;
    for (const name of /** @type {TimerName[]} */ (Object.keys(this.#timers))) this.#clear(name);
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.onerror = () => {};
      try {
        socket.close(1000);
      } catch {
        // Closed already, or never opened.
      }
    }
    if (!wasOnline) return;
    this.#state = 'waiting'; // nothing may be sent from inside a `down` listener
    this.emit('down', { code, reason });
  }

  /**
   * @param {ConnectionState} state
   * @param {object} [more]
   */
  #set(state, more = {}) {
    const previous = this.#state;
    this.#state = state;
    this.emit('state', { state, previous, ...more });
  }

  /**
   * @param {TimerName} name
   * @param {number} ms
   * @param {() => void} run
   */
  #arm(name, ms, run) {
    this.#clear(name);
    this.#timers[name] = this.clock.setTimeout(run, ms);
  }

  /** @param {TimerName} name */
  #clear(name) {
    if (this.#timers[name] !== null) this.clock.clearTimeout(this.#timers[name]);
    this.#timers[name] = null;
  }
}

/**
 * @param {unknown} reason
 * @returns {{code?: string, message?: string, retry_after_ms?: number}}
 */
function parseReason(reason) {
  try {
    const told = JSON.parse(String(reason));
    return told !== null && typeof told === 'object' ? told : {};
  } catch {
    return {};
  }
}
