/** Time that moves only when told, and a server that a test plays by hand. */

export class FakeClock {
  #now = 1_000_000;
  #next = 1;
  #timers = new Map();

  now = () => this.#now;

  setTimeout = (run, ms) => {
    const id = this.#next++;
    this.#timers.set(id, { at: this.#now + ms, run });
    return id;
  };

  clearTimeout = (id) => void this.#timers.delete(id);

  get pending() {
    return this.#timers.size;
  }

  /** Runs what falls due on the way, in order, letting promises settle after each. */
  async advance(ms) {
    const until = this.#now + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.at <= until).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      const [id, timer] = due;
      this.#timers.delete(id);
      this.#now = Math.max(this.#now, timer.at);
      timer.run();
      await settle();
    }
    this.#now = until;
  }
}

/** Moves time by small steps until something is so; what is never so fails the test. */
export async function advanceUntil(clock, done, { step = 100, most = 120_000, each = () => {} } = {}) {
  for (let passed = 0; !done(); passed += step) {
    if (passed >= most) throw new Error('it did not happen in time');
    await clock.advance(step);
    each();
  }
}

/** Cuts the newest link, waits for the client to come back, and lets it in. */
export async function reconnect({ clock, sockets }) {
  const before = sockets.length;
  sockets.at(-1).hangUp();
  await advanceUntil(clock, () => sockets.length > before);
  return welcome(sockets);
}

/** Lets every promise that can settle do so; no time passes. */
export async function settle() {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** A WebSocket class whose far end is the test. */
export function fakeSockets() {
  const sockets = [];
  class FakeSocket {
    sent = [];
    closed = false;

    constructor(url, protocol) {
      this.url = url;
      this.protocol = protocol;
      sockets.push(this);
    }

    send(text) {
      this.sent.push(JSON.parse(text));
    }

    close() {
      this.closed = true;
    }

    /* The far end: */

    accept() {
      this.onopen?.({});
    }

    say(frame) {
      this.onmessage?.({ data: JSON.stringify(frame) });
    }

    raw(text) {
      this.onmessage?.({ data: text });
    }

    hangUp(code = 1006, reason = '') {
      this.onclose?.({ code, reason: typeof reason === 'string' ? reason : JSON.stringify(reason) });
    }

    /** The newest command of a type. */
    last(type) {
      return this.sent.findLast((frame) => frame.type === type);
    }

    all(type) {
      return this.sent.filter((frame) => frame.type === type);
    }
  }
  return { sockets, FakeSocket };
}

export const EPOCH = 'epoch-1';

/** Opens and authenticates the newest socket. */
export async function welcome(sockets, more = {}) {
  await settle();
  const socket = sockets.at(-1);
  socket.accept();
  socket.say({
    type: 'auth_success', user_id: 'alice', role: 'member', session: 'c-1', epoch: EPOCH, heartbeat_interval_ms: 30_000,
    limits: { max_message_bytes: 16_384, max_rooms: 100, page: 100 }, server: 'confab/test', ...more,
  });
  await settle();
  return socket;
}

export const message = (id, more = {}) => ({
  type: 'message',
  data: { id, room_id: 'general', user_id: 'bob', message: `m${id}`, timestamp: '2026-11-24T08:00:00.000Z', ...more },
});

/** Answers the newest `join`. */
export function joined(socket, recovery, last_id, more = {}) {
  const { room_id, ref } = socket.last('join');
  socket.say({ type: 'joined', room_id, last_id, first_id: 1, epoch: EPOCH, recovery, role: 'member', ref, ...more });
}

/** A recorder of an Emitter's events of one type. */
export function record(emitter, type) {
  const seen = [];
  emitter.on(type, (detail) => seen.push(detail));
  return seen;
}

/** A `fetch` that answers from a table `'METHOD /path': (body, request) => [status, body]`. */
export function fakeFetch(routes) {
  const calls = [];
  const fetch = async (url, { method, body, headers }) => {
    const { pathname, search } = new URL(url);
    const call = { method, path: pathname + search, body: body && JSON.parse(body), headers };
    calls.push(call);
    const route = routes[`${method} ${pathname}`];
    if (!route) throw new TypeError('fetch failed');
    const [status, answer = null, responseHeaders = {}] = await route(call.body, call);
    return new Response(answer === null ? null : JSON.stringify(answer), { status, headers: responseHeaders });
  };
  return { fetch, calls };
}
