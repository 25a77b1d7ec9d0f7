/**
 * How long to wait before the next try: exponential, with full jitter, so that the clients of a
 * server that restarts do not come back as one wave.
 */
export class Backoff {
  #tries = 0;

  /** @param {{base_ms?: number, cap_ms?: number, random?: () => number}} [options] */
  constructor({ base_ms = 500, cap_ms = 30_000, random = Math.random } = {}) {
    this.base_ms = base_ms;
    this.cap_ms = cap_ms;
    this.random = random;
  }

  get tries() {
    return this.#tries;
  }

  /** The longest that the next wait may be, not counting what the server asked for. */
  get ceiling_ms() {
    return Math.min(this.cap_ms, this.base_ms * 2 ** Math.min(this.#tries, 30));
  }

  /** @param {number} [atLeast_ms] what the server asked for: never less, and jitter on top of it */
  next(atLeast_ms = 0) {
    const wait = Math.max(0, atLeast_ms) + this.random() * this.ceiling_ms;
    this.#tries += 1;
    return wait;
  }

  reset() {
    this.#tries = 0;
  }
}
