import { systemClock } from './clock.js';
import { ConfabError } from './errors.js';

/**
 * Commands that want an answer: each carries a `ref`, and the frame that repeats it is its answer.
 *
 * Answers are handed over by callback, inside the same turn in which the frame arrived: an event that
 * follows its `joined` must find the cursor already set. `ask` is the promise for everyone else.
 */
export class Requests {
  #last = 0;
  /** @type {Map<number, {done: (error: ConfabError|null, frame?: any) => void, timer: any}>} */
  #pending = new Map();

  /**
   * @param {import('./connection.js').Connection} connection
   * @param {{clock?: import('./clock.js').Clock, timeout_ms?: number}} [options]
   */
  constructor(connection, { clock = systemClock, timeout_ms = 20_000 } = {}) {
    this.connection = connection;
    this.clock = clock;
    this.timeout_ms = timeout_ms;
    connection.on('down', () => this.#failAll());
  }

  /**
   * @param {object} frame
   * @param {(error: ConfabError|null, frame?: any) => void} done
   */
  call(frame, done) {
    const ref = ++this.#last;
    const timer = this.clock.setTimeout(() => this.#expire(ref), this.timeout_ms);
    this.#pending.set(ref, { done, timer });
    if (!this.connection.send({ ...frame, ref })) this.#settle(ref, offline());
  }

  /**
   * @param {object} frame
   * @returns {Promise<any>}
   */
  ask(frame) {
    return new Promise((resolve, reject) => {
      this.call(frame, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  }

  /**
   * @param {any} frame
   * @returns {boolean} whether it was the answer to a request
   */
  take(frame) {
    if (!this.#pending.has(frame.ref)) return false;
    if (frame.type === 'error') this.#settle(frame.ref, ConfabError.fromFrame(frame));
    else this.#settle(frame.ref, null, frame);
    return true;
  }

  /**
   * @param {number} ref
   * @param {ConfabError|null} error
   * @param {any} [frame]
   */
  #settle(ref, error, frame) {
    const request = this.#pending.get(ref);
    if (!request) return;
    this.#pending.delete(ref);
    this.clock.clearTimeout(request.timer);
    request.done(error, frame);
  }

  /**
   * No answer in time on a link that claims to be up: nothing on it can be trusted any more.
   * @param {number} ref
   */
  #expire(ref) {
    const request = this.#pending.get(ref);
    this.#pending.delete(ref);
    this.connection.drop('request_timeout');
    request?.done(new ConfabError('timeout', 'No answer from the server'));
  }

  #failAll() {
    for (const ref of [...this.#pending.keys()]) this.#settle(ref, offline());
  }
}

const offline = () => new ConfabError('disconnected', 'Not connected');
