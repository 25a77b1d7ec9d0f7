import { systemClock } from './clock.js';
import { Emitter } from './emitter.js';
import { ConfabError } from './errors.js';

/** An access token is renewed this long before it runs out. */
const EARLY_MS = 60_000;

/**
 * @typedef {object} User
 * @property {string} user_id
 * @property {string} display_name
 * @property {'admin'|'moderator'|'member'|'bot'} role
 */

/**
 * Runs one task at a time across everything that shares the refresh token. In a browser that is every
 * tab with the same cookie: two that refresh at once would present a token that the other has just
 * used up.
 * @param {() => Promise<void>} task
 * @returns {Promise<void>}
 */
async function sharedLock(task) {
  const locks = globalThis.navigator?.locks; // not there on plain http from another machine
  if (locks) await locks.request('confab-refresh', task);
  else await task();
}

/**
 * Who is signed in, and the tokens that say so. The access token lives in memory only. The refresh
 * token is an HttpOnly cookie (`cookie: true`, for pages) or is kept here (for programs).
 *
 * Events: `signed_in` {user} · `refreshed` {user, refresh_token?} · `signed_out` {reason}.
 */
export class Session extends Emitter {
  /** @type {string|null} */
  #access = null;
  #expiresAt = 0;
  /** @type {string|undefined} */
  #refreshToken;
  /** @type {Promise<void>|null} the one refresh under way, shared by all who wait for it */
  #refreshing = null;
  /** Counts the endings, so that a refresh that was on its way does not sign in again. */
  #endings = 0;
  /** @type {User|null} */
  user = null;

  /**
   * @param {object} options
   * @param {import('./http.js').Http} options.http
   * @param {boolean} [options.cookie] let the server keep the refresh token in a cookie
   * @param {string} [options.refresh_token] from an earlier run
   * @param {string} [options.access_token] a fixed one, such as `confab token` prints
   * @param {import('./clock.js').Clock} [options.clock]
   * @param {(task: () => Promise<void>) => Promise<void>} [options.lock]
   */
  constructor({ http, cookie = false, refresh_token, access_token, clock = systemClock, lock = sharedLock }) {
    super();
    this.http = http;
    this.cookie = cookie;
    this.clock = clock;
    this.lock = lock;
    this.#refreshToken = refresh_token;
    if (access_token) {
      this.#access = access_token;
      this.#expiresAt = Infinity;
    }
  }

  get signedIn() {
    return this.#access !== null;
  }

  /**
   * @param {string} username
   * @param {string} password
   */
  async login(username, password) {
    const body = { username, password, ...this.#asCookie() };
    this.#accept(await this.http.call('POST', '/api/auth/login', { body }));
    this.emit('signed_in', { user: this.user });
  }

  /**
   * Makes the first admin from the one-time link, and signs in as them.
   * @param {string} setup_token
   * @param {string} username
   * @param {string} password
   */
  async setup(setup_token, username, password) {
    const body = { setup_token, username, password, ...this.#asCookie() };
    this.#accept(await this.http.call('POST', '/api/auth/setup', { body }));
    this.emit('signed_in', { user: this.user });
  }

  /** Pick up the session of an earlier visit. @returns {Promise<boolean>} whether there was one */
  async resume() {
    try {
      await this.#refresh();
      return true;
    } catch (error) {
      if (/** @type {ConfabError} */ (error).code === 'signed_out') return false;
      throw error;
    }
  }

  async logout() {
    const body = this.#refreshToken ? { refresh_token: this.#refreshToken } : {};
    await this.http.call('POST', '/api/auth/logout', { body, token: this.#access }).catch(() => {});
    this.end('logout');
  }

  /**
   * An access token that will hold for a while.
   * @param {{fresh?: boolean}} [ask] `fresh`: the last one was refused, though it should have held
   * @returns {Promise<string>}
   */
  async token({ fresh = false } = {}) {
    if (this.#access && !fresh && this.clock.now() < this.#expiresAt - EARLY_MS) return this.#access;
    await this.#refresh();
    return /** @type {string} */ (/** @type {unknown} */ (this.#access));
  }

  /**
   * The session is over, here or by the server's word.
   * @param {string} reason
   */
  end(reason) {
    const was = this.signedIn;
    this.#endings += 1;
    this.#access = null;
    this.#expiresAt = 0;
    this.#refreshToken = undefined;
    this.user = null;
    if (was) this.emit('signed_out', { reason });
  }

  #asCookie() {
    return this.cookie ? { cookie: true } : {};
  }

  #refresh() {
    this.#refreshing ??= this.lock(() => this.#rotate()).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #rotate() {
    if (!this.cookie && !this.#refreshToken) {
      this.end('expired');
      throw new ConfabError('signed_out', 'Not signed in');
    }
    const endings = this.#endings;
    let session;
    try {
      const body = this.#refreshToken ? { refresh_token: this.#refreshToken } : {};
      session = await this.http.call('POST', '/api/auth/refresh', { body });
    } catch (error) {
      const { status, message, retry_after_ms } = /** @type {ConfabError} */ (error);
      const final = status !== undefined && status >= 400 && status < 500 && retry_after_ms === undefined && status !== 429;
      if (!final) throw error; // the server is away, which says nothing about the session
      this.end('expired');
      throw new ConfabError('signed_out', message, { status, cause: error });
    }
    if (endings !== this.#endings) throw new ConfabError('signed_out', 'Signed out meanwhile');
    this.#accept(session);
    this.emit('refreshed', { user: this.user, refresh_token: this.#refreshToken });
  }

  /** @param {any} session the server's SESSION */
  #accept({ access_token, expires_in, refresh_token, user }) {
    this.#access = access_token;
    this.#expiresAt = this.clock.now() + expires_in * 1000;
    this.#refreshToken = refresh_token;
    this.user = user;
  }
}
