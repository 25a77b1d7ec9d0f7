import { Backoff } from './backoff.js';
import { systemClock } from './clock.js';
import { Emitter } from './emitter.js';
import { ConfabError } from './errors.js';

/** A server that keeps failing on one command must not hold up what comes after it for ever. */
const MAX_INTERNAL_ERRORS = 6;

/**
 * @typedef {object} OutboxEntry plain data, fit for JSON
 * @property {string} client_id
 * @property {'chat_message'|'edit_message'|'delete_message'} type
 * @property {string} room_id
 * @property {number} [id] the message to edit or delete
 * @property {string} [message]
 * @property {number} [reply_to]
 * @property {number} created_at
 * @property {'queued'|'sending'|'failed'} state
 * @property {{code: string, message: string}} [error] why it failed
 *
 * @typedef {object} OutboxStorage may answer by promise
 * @property {() => OutboxEntry[]|Promise<OutboxEntry[]>} list in the order in which they were put
 * @property {(entry: OutboxEntry) => void} put adds, or replaces the one with the same `client_id`
 * @property {(client_id: string) => void} remove
 */

/** @returns {OutboxStorage} that forgets everything with the process */
export function memoryStorage() {
  /** @type {Map<string, OutboxEntry>} */
  const entries = new Map();
  return {
    list: () => [...entries.values()],
    put: (entry) => void entries.set(entry.client_id, entry),
    remove: (client_id) => void entries.delete(client_id),
  };
}

/**
 * A UUID version 7 (RFC 9562, section 5.7): time first, then chance. Ids that sort by time cost the server's index a third of what random ones
 * do. Made here because `crypto.randomUUID` makes version 4 only, and is missing on pages over plain http.
 */
export function uuid(now = Date.now()) {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  for (let i = 5, rest = now; i >= 0; i -= 1, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * What was said and is not acknowledged yet. Every entry has a `client_id` for life, so a retry that
 * meets its own first success is answered `duplicate` and nothing is said twice. One entry per room is
 * on its way at a time: a refusal can then never let a later message overtake an earlier one.
 *
 * An entry that failed for good stays, out of the way of the others, until `retry` or `discard`.
 *
 * Events: `changed` {room_id} · `acked` {entry, ack} · `failed` {entry, error}.
 */
export class Outbox extends Emitter {
  /** @type {OutboxEntry[]} */
  #entries = [];
  /** What is on the way, per room. @type {Map<string, OutboxEntry>} */
  #inFlight = new Map();
  /** @type {Map<string, {promise: Promise<any>, resolve: (ack: any) => void, reject: (error: ConfabError) => void}>} */
  #promises = new Map();
  /** @type {Map<string, number>} */
  #internalErrors = new Map();
  #resumeAt = 0;
  /** @type {any} */
  #timer = null;
  #maxBytes = Infinity;

  /**
   * @param {import('./connection.js').Connection} connection
   * @param {import('./requests.js').Requests} requests
   * @param {{storage?: OutboxStorage, clock?: import('./clock.js').Clock, random?: () => number}} [options]
   */
  constructor(connection, requests, { storage = memoryStorage(), clock = systemClock, random = Math.random } = {}) {
    super();
    this.connection = connection;
    this.requests = requests;
    this.storage = storage;
    this.clock = clock;
    this.backoff = new Backoff({ random });
    connection.on('online', (welcome) => {
      this.#maxBytes = welcome.limits?.max_message_bytes ?? Infinity;
      this.#resumeAt = 0;
      this.backoff.reset();
      this.#pump();
    });
    connection.on('down', () => this.#clearTimer());
  }

  /** Takes up what an earlier run left behind; it goes out before anything new. */
  async restore() {
    const kept = (await this.storage.list()).filter((entry) => !this.#find(entry.client_id));
    this.#entries.unshift(...kept.map((entry) => ({
      ...entry, state: entry.state === 'failed' ? entry.state : /** @type {const} */ ('queued'),
    })));
    for (const room_id of new Set(kept.map((entry) => entry.room_id))) this.emit('changed', { room_id });
    this.#pump();
  }

  /**
   * @param {string} room_id
   * @param {string} message
   * @param {{reply_to?: number, client_id?: string}} [more]
   */
  send(room_id, message, more = {}) {
    return this.#add({ type: 'chat_message', room_id, message, ...more });
  }

  /**
   * @param {string} room_id
   * @param {number} id
   * @param {string} message
   */
  edit(room_id, id, message) {
    return this.#add({ type: 'edit_message', room_id, id, message });
  }

  /**
   * @param {string} room_id
   * @param {number} id
   */
  delete(room_id, id) {
    return this.#add({ type: 'delete_message', room_id, id });
  }

  /**
   * @param {string} [room_id]
   * @returns {readonly Readonly<OutboxEntry>[]}
   */
  pending(room_id) {
    return this.#entries.filter((entry) => room_id === undefined || entry.room_id === room_id);
  }

  /**
   * Try again one that failed; it keeps its `client_id`.
   * @param {string} client_id
   */
  retry(client_id) {
    const entry = this.#find(client_id);
    if (entry?.state !== 'failed') return;
    delete entry.error;
    this.#internalErrors.delete(client_id);
    this.#mark(entry, 'queued');
    this.#pump();
  }

  /** @param {string} client_id */
  discard(client_id) {
    const entry = this.#find(client_id);
    if (!entry) return;
    this.#remove(entry);
    this.#promises.get(client_id)?.reject(new ConfabError('discarded', 'Discarded before it was sent'));
    this.#promises.delete(client_id);
    this.#pump();
  }

  /** Forget everything, as on signing out. */
  clear() {
    for (const { client_id } of [...this.#entries]) this.discard(client_id);
  }

  /**
   * An event that carries a `client_id` of ours proves that it was stored, though its `ack` be lost.
   * @param {string} client_id
   * @param {{id: number, timestamp: string}} stored
   */
  confirm(client_id, { id, timestamp }) {
    const entry = this.#find(client_id);
    if (entry) this.#acked(entry, { type: 'ack', room_id: entry.room_id, client_id, id, timestamp, duplicate: false });
  }

  /**
   * @param {Omit<OutboxEntry, 'client_id'|'created_at'|'state'> & {client_id?: string}} what
   * @returns {{client_id: string, done: Promise<any>}} `done` settles with the `ack`
   */
  #add(what) {
    /** @type {OutboxEntry} */
    const entry = { client_id: uuid(), ...what, created_at: this.clock.now(), state: 'queued' };
    this.#entries.push(entry);
    this.storage.put(entry);
    const done = this.#promise(entry.client_id);
    this.emit('changed', { room_id: entry.room_id });
    this.#pump();
    return { client_id: entry.client_id, done };
  }

  #pump() {
    if (!this.connection.online) return;
    const wait = this.#resumeAt - this.clock.now();
    if (wait > 0) {
      this.#clearTimer();
      this.#timer = this.clock.setTimeout(() => this.#pump(), wait);
      return;
    }
    const seen = new Set(this.#inFlight.keys());
    for (const entry of [...this.#entries]) {
      if (entry.state === 'failed' || seen.has(entry.room_id)) continue;
      seen.add(entry.room_id);
      this.#transmit(entry);
    }
  }

  /** @param {OutboxEntry} entry */
  #transmit(entry) {
    const { type, room_id, id, client_id, message, reply_to } = entry;
    const frame = { type, room_id, id, client_id, message, reply_to };
    if (new TextEncoder().encode(JSON.stringify(frame)).length + 32 > this.#maxBytes) {
      this.#failed(entry, new ConfabError('too_large', 'The message is too long'));
      return;
    }
    this.#inFlight.set(room_id, entry);
    this.#mark(entry, 'sending');
    this.requests.call(frame, (error, ack) => {
      if (this.#inFlight.get(room_id) === entry) this.#inFlight.delete(room_id);
      if (this.#find(client_id) !== entry) return; // confirmed or discarded meanwhile
      if (!error) this.#acked(entry, ack);
      else if (this.#mayRetry(entry, error)) this.#later(entry, error);
      else this.#failed(entry, error);
    });
  }

  /**
   * @param {OutboxEntry} entry
   * @param {ConfabError} error
   */
  #mayRetry({ client_id }, error) {
    if (!error.temporary) return false;
    if (error.code !== 'internal') return true;
    const times = (this.#internalErrors.get(client_id) ?? 0) + 1;
    this.#internalErrors.set(client_id, times);
    return times < MAX_INTERNAL_ERRORS;
  }

  /**
   * @param {OutboxEntry} entry
   * @param {any} ack
   */
  #acked(entry, ack) {
    this.backoff.reset();
    this.#remove(entry);
    this.#promises.get(entry.client_id)?.resolve(ack);
    this.#promises.delete(entry.client_id);
    this.emit('acked', { entry, ack });
    this.#pump();
  }

  /**
   * @param {OutboxEntry} entry
   * @param {ConfabError} error
   */
  #later(entry, error) {
    if (error.code !== 'disconnected' && error.code !== 'timeout') {
      const wait = error.retry_after_ms ?? this.backoff.next();
      this.#resumeAt = Math.max(this.#resumeAt, this.clock.now() + wait);
    }
    this.#mark(entry, 'queued');
    this.#pump();
  }

  /**
   * @param {OutboxEntry} entry
   * @param {ConfabError} error
   */
  #failed(entry, error) {
    entry.error = { code: error.code, message: error.message };
    this.#promises.get(entry.client_id)?.reject(error);
    this.#promises.delete(entry.client_id);
    this.#mark(entry, 'failed');
    this.storage.put(entry);
    this.emit('failed', { entry, error });
    this.#pump();
  }

  /** @param {OutboxEntry} entry */
  #remove(entry) {
    this.#entries.splice(this.#entries.indexOf(entry), 1);
    if (this.#inFlight.get(entry.room_id) === entry) this.#inFlight.delete(entry.room_id);
    this.#internalErrors.delete(entry.client_id);
    this.storage.remove(entry.client_id);
    this.emit('changed', { room_id: entry.room_id });
  }

  /**
   * @param {OutboxEntry} entry
   * @param {OutboxEntry['state']} state
   */
  #mark(entry, state) {
    entry.state = state;
    this.emit('changed', { room_id: entry.room_id });
  }

  /** @param {string} client_id */
  #promise(client_id) {
    /** @type {any} */
    const deferred = {};
    deferred.promise = new Promise((resolve, reject) => Object.assign(deferred, { resolve, reject }));
    deferred.promise.catch(() => {}); // who does not look at `done` listens to `failed`
    this.#promises.set(client_id, deferred);
    return deferred.promise;
  }

  /** @param {string} client_id */
  #find(client_id) {
    return this.#entries.find((entry) => entry.client_id === client_id);
  }

  #clearTimer() {
    this.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
