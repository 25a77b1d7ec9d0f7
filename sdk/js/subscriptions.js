import { Backoff } from './backoff.js';
import { systemClock } from './clock.js';
import { Emitter } from './emitter.js';
import { ConfabError } from './errors.js';

/** After this many holes in a row without one event between them, the link itself is suspect. */
const MAX_FAULTS = 3;

/**
 * @typedef {object} RoomEvent an entry of a room's log
 * @property {string} type
 * @property {{id: number, room_id: string, user_id: string, timestamp: string, [more: string]: any}} data
 *
 * @typedef {object} Subscription
 * @property {string} room_id
 * @property {number|null} cursor id of the last event handed over; null until the server names one
 * @property {string|undefined} epoch the database in which the cursor means something
 * @property {'idle'|'joining'|'replaying'|'live'} phase
 * @property {number} faults
 * @property {number} replayed events since `joined`
 * @property {Backoff} backoff
 * @property {any} retry
 * @property {{resolve: (joined: any) => void, reject: (error: ConfabError) => void}[]} waiters
 */

/**
 * Which rooms are read, and up to where. The promise: the application sees every event of a room
 * exactly once and in the order of ids, whatever happens to the link; and where the server cannot
 * keep that (`gap`, `reset`), it is told.
 *
 * Events: `event` {room_id, event} · `joined` {room_id, recovery, joined, from} after every join, the
 * silent ones on reconnect included · `gap` {room_id, from, to} retention removed these · `reset`
 * {room_id, epoch} forget the room's content · `caught_up` {room_id, last_id, replayed} · `left`
 * {room_id, reason} · `refused` {room_id, error} · `fault` {room_id, expected, got}.
 */
export class Subscriptions extends Emitter {
  /** @type {Map<string, Subscription>} */
  #rooms = new Map();

  /**
   * @param {import('./connection.js').Connection} connection
   * @param {import('./requests.js').Requests} requests
   * @param {{clock?: import('./clock.js').Clock, random?: () => number}} [options]
   */
  constructor(connection, requests, { clock = systemClock, random = Math.random } = {}) {
    super();
    this.connection = connection;
    this.requests = requests;
    this.clock = clock;
    this.random = random;
    connection.on('online', () => this.#rooms.forEach((room) => this.#join(room)));
    connection.on('down', () => this.#rooms.forEach((room) => this.#rest(room)));
  }

  /**
   * Read a room from now on, or from after an event that is known already. Settles with the server's
   * `joined`; offline, once there is a link again.
   * @param {string} room_id
   * @param {{after?: number, epoch?: string}} [from]
   * @returns {Promise<any>}
   */
  join(room_id, { after, epoch } = {}) {
    let room = this.#rooms.get(room_id);
    if (!room) {
      room = {
        room_id, cursor: after ?? null, epoch, phase: 'idle', faults: 0, replayed: 0,
        backoff: new Backoff({ random: this.random }), retry: null, waiters: [],
      };
      this.#rooms.set(room_id, room);
    } else if (after !== undefined) {
      room.cursor = after;
      room.epoch = epoch;
    }
    const subscription = room;
    const answer = new Promise((resolve, reject) => subscription.waiters.push({ resolve, reject }));
    answer.catch(() => {}); // who does not look at it listens to `refused`
    if (this.connection.online) this.#join(subscription);
    return answer;
  }

  /** @param {string} room_id */
  leave(room_id) {
    if (this.#forget(room_id, new ConfabError('left', 'The room was left'))) {
      // With a ref: the `left` that answers it is not taken for being put out of a room joined again since.
      this.requests.call({ type: 'leave', room_id }, () => {});
    }
  }

  /** @param {string} room_id */
  has(room_id) {
    return this.#rooms.has(room_id);
  }

  /**
   * Where reading stands, to be kept and given to `join` by a later run.
   * @param {string} room_id
   * @returns {{after: number, epoch: string|undefined, next_id: number, phase: string}|null}
   */
  cursor(room_id) {
    const room = this.#rooms.get(room_id);
    if (!room || room.cursor === null) return null;
    return { after: room.cursor, epoch: room.epoch, next_id: room.cursor + 1, phase: room.phase };
  }

  /**
   * @param {any} frame
   * @returns {boolean} whether it concerned a cursor
   */
  take(frame) {
    if (frame.type === 'caught_up') this.#caughtUp(frame);
    else if (frame.type === 'left') this.#left(frame);
    else if (typeof frame.data?.id === 'number' && typeof frame.data.room_id === 'string') this.#event(frame);
    else return false;
    return true;
  }

  /** @param {Subscription} room */
  #join(room) {
    this.#rest(room);
    room.phase = 'joining';
    const frame = { type: 'join', room_id: room.room_id };
    if (room.cursor !== null) Object.assign(frame, { after: room.cursor, epoch: room.epoch });
    const asked = room;
    this.requests.call(frame, (error, joined) => {
      if (this.#rooms.get(room.room_id) !== asked) return; // left in between
      if (error) this.#refused(room, error);
      else this.#joined(room, joined);
    });
  }

  /** @param {Subscription} room */
  #rest(room) {
    room.phase = 'idle';
    this.clock.clearTimeout(room.retry);
    room.retry = null;
  }

  /**
   * @param {Subscription} room
   * @param {any} joined
   */
  #joined(room, joined) {
    const { room_id } = room;
    const from = room.cursor;
    // A log that is shorter than what was read of it is another log, whatever it calls itself.
    const replaced = joined.recovery === 'epoch_changed' || (from !== null && joined.last_id < from)
      || (from !== null && joined.recovery === 'fresh');

    if (replaced || from === null) room.cursor = joined.last_id;
    else if (joined.recovery === 'gap') room.cursor = Math.max(from, joined.gap.to);
    room.epoch = joined.epoch;
    room.phase = 'replaying';
    room.replayed = 0;
    room.backoff.reset();

    this.emit('joined', { room_id, recovery: replaced ? 'epoch_changed' : joined.recovery, joined, from });
    if (replaced) this.emit('reset', { room_id, epoch: joined.epoch });
    else if (joined.recovery === 'gap') this.emit('gap', { room_id, from: joined.gap.from, to: joined.gap.to });
    for (const waiter of room.waiters.splice(0)) waiter.resolve(joined);
  }

  /**
   * @param {Subscription} room
   * @param {ConfabError} error
   */
  #refused(room, error) {
    room.phase = 'idle';
    if (error.code === 'disconnected' || error.code === 'timeout') return; // the next link joins again
    if (error.temporary) {
      room.retry = this.clock.setTimeout(() => this.#join(room), room.backoff.next(error.retry_after_ms));
      return;
    }
    this.#forget(room.room_id, error);
    this.emit('refused', { room_id: room.room_id, error });
  }

  /** @param {RoomEvent} event */
  #event(event) {
    const { id, room_id } = event.data;
    const room = this.#rooms.get(room_id);
    if (!room || room.cursor === null || id <= room.cursor) return;
    if (id > room.cursor + 1) {
      this.#fault(room, id);
      return;
    }
    room.cursor = id;
    room.faults = 0;
    room.replayed += 1;
    this.emit('event', { room_id, event });
    if (event.type === 'room_deleted' && this.#forget(room_id, new ConfabError('not_found', 'The room was deleted'))) {
      this.emit('left', { room_id, reason: 'room_deleted' });
    }
  }

  /** @param {any} frame */
  #caughtUp({ room_id, last_id }) {
    const room = this.#rooms.get(room_id);
    if (!room || room.phase !== 'replaying') return;
    if (/** @type {number} */ (room.cursor) < last_id) {
      this.#fault(room, last_id + 1);
      return;
    }
    room.phase = 'live';
    this.emit('caught_up', { room_id, last_id, replayed: room.replayed });
  }

  /**
   * Something between the cursor and `got` did not come. Nothing after a hole is handed over: reading
   * starts again from the cursor.
   * @param {Subscription} room
   * @param {number} got
   */
  #fault(room, got) {
    if (room.phase === 'joining') return; // asked already
    room.faults += 1;
    this.emit('fault', { room_id: room.room_id, expected: /** @type {number} */ (room.cursor) + 1, got });
    if (room.faults >= MAX_FAULTS) {
      room.faults = 0;
      this.connection.drop('sequence_fault');
    } else {
      this.#join(room);
    }
  }

  /** The server took us out of the room. @param {any} frame */
  #left({ room_id, reason }) {
    if (this.#forget(room_id, new ConfabError('left', 'Removed from the room'))) {
      this.emit('left', { room_id, reason: reason ?? 'removed' });
    }
  }

  /**
   * @param {string} room_id
   * @param {ConfabError} why
   */
  #forget(room_id, why) {
    const room = this.#rooms.get(room_id);
    if (!room) return false;
    this.#rest(room);
    this.#rooms.delete(room_id);
    for (const waiter of room.waiters.splice(0)) waiter.reject(why);
    return true;
  }
}
