/**
 * The Confab client, for browsers and Node 20 or newer. No DOM in here.
 *
 *     const confab = new ConfabClient({ base: 'https://chat.example' });
 *     await confab.session.login('alice', password);
 *     confab.subscriptions.on('event', ({ room_id, event }) => …);
 *     confab.subscriptions.join('general');
 *     confab.start();
 *     await confab.outbox.send('general', 'Hello').done;
 *
 * The parts, each usable by itself: `session` (who is signed in), `rest` (the API), `connection` (one
 * WebSocket kept alive), `subscriptions` (cursors: every event once, in order), `outbox` (every
 * message sent once). `timeline.js` folds events into the list of messages that people see.
 */
import { systemClock } from './clock.js';
import { Connection } from './connection.js';
import { Emitter } from './emitter.js';
import { ConfabError } from './errors.js';
import { Http } from './http.js';
import { Outbox } from './outbox.js';
import { Requests } from './requests.js';
import { Rest } from './rest.js';
import { Session } from './session.js';
import { Subscriptions } from './subscriptions.js';

export { ConfabError } from './errors.js';
export { memoryStorage, uuid } from './outbox.js';

/** Ends of a connection after which the session is over as well. */
const SESSION_ENDED = new Set([1008, 4500]);

/**
 * Wires the parts together.
 *
 * Events of its own: `ended` ConfabError, the connection will not come back by itself ·
 * `ephemeral` a frame outside the log (`user_joined`, `user_left`, `typing`, `presence`, `read`) ·
 * `error` ConfabError, one that answers no request.
 */
export class ConfabClient extends Emitter {
  /**
   * @param {object} options
   * @param {string} options.base `https://chat.example`
   * @param {boolean} [options.cookie] keep the refresh token in an HttpOnly cookie (pages do)
   * @param {string} [options.refresh_token]
   * @param {string} [options.access_token]
   * @param {any} [options.WebSocket] where there is no global one, such as `ws` on Node 20
   * @param {typeof fetch} [options.fetch]
   * @param {import('./outbox.js').OutboxStorage} [options.storage] for what is not acknowledged yet
   * @param {import('./clock.js').Clock} [options.clock]
   * @param {() => number} [options.random]
   */
  constructor({
    base, cookie, refresh_token, access_token, WebSocket, fetch, storage,
    clock = systemClock, random = Math.random,
  }) {
    super();
    const http = new Http({ base, fetch, clock });
    this.session = new Session({ http, cookie, refresh_token, access_token, clock });
    this.rest = new Rest(http, this.session);
    this.connection = new Connection({
      url: `${http.base.replace(/^http/, 'ws')}/ws`,
      getToken: (ask) => this.session.token(ask),
      WebSocket, clock, random,
    });
    this.requests = new Requests(this.connection, { clock });
    // Before the outbox: on a new link rooms are joined first, then what waited is sent.
    this.subscriptions = new Subscriptions(this.connection, this.requests, { clock, random });
    this.outbox = new Outbox(this.connection, this.requests, { storage, clock, random });

    this.connection.on('frame', (frame) => this.#route(frame));
    this.connection.on('ended', (error) => this.#ended(error));
    this.session.on('signed_out', () => this.connection.stop());
    this.subscriptions.on('event', ({ room_id, event }) => this.#confirmOwn(room_id, event));
  }

  async start() {
    await this.outbox.restore();
    this.connection.start();
  }

  stop() {
    this.connection.stop();
  }

  /**
   * A page of a room's log, ascending.
   * @param {string} room_id
   * @param {{before?: number, after?: number, limit?: number}} [page]
   * @returns {Promise<{events: import('./subscriptions.js').RoomEvent[], more: boolean}>}
   */
  history(room_id, page = {}) {
    return this.requests.ask({ type: 'history', room_id, ...page });
  }

  /**
   * @param {string} room_id
   * @param {number} id
   * @param {string} reaction
   */
  react(room_id, id, reaction) {
    return this.requests.ask({ type: 'react', room_id, id, reaction });
  }

  /**
   * @param {string} room_id
   * @param {number} id
   * @param {string} reaction
   */
  unreact(room_id, id, reaction) {
    return this.requests.ask({ type: 'unreact', room_id, id, reaction });
  }

  /**
   * @param {string} room_id
   * @param {number} id everything up to this has been read
   */
  read(room_id, id) {
    return this.requests.ask({ type: 'read', room_id, id });
  }

  /**
   * Who is in the room now.
   * @param {string} room_id
   * @returns {Promise<{online: number, users?: string[]}>}
   */
  presence(room_id) {
    return this.requests.ask({ type: 'presence', room_id });
  }

  /**
   * Not worth an answer, nor a retry.
   * @param {string} room_id
   * @param {boolean} [typing]
   */
  typing(room_id, typing = true) {
    this.connection.send({ type: 'typing', room_id, typing });
  }

  /** @param {any} frame */
  #route(frame) {
    if (this.requests.take(frame) || this.subscriptions.take(frame)) return;
    if (frame.type === 'error') this.emit('error', ConfabError.fromFrame(frame));
    else this.emit('ephemeral', frame);
  }

  /**
   * @param {string} room_id
   * @param {import('./subscriptions.js').RoomEvent} event
   */
  #confirmOwn(room_id, { type, data }) {
    if (type !== 'message' || !data.client_id || data.user_id !== this.session.user?.user_id) return;
    this.outbox.confirm(data.client_id, data);
  }

  /** @param {ConfabError} error */
  #ended(error) {
    if (error.code === 'signed_out' || SESSION_ENDED.has(error.close_code ?? 0)) this.session.end(error.code);
    this.emit('ended', error);
  }
}
