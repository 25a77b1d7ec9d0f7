/** Errors after which the same request may well succeed; every other error is final for it. */
const TEMPORARY = new Set([
  'rate_limited', 'busy', 'disk_full', 'store_failed', 'shutting_down', 'internal', 'unavailable',
  'timeout', 'disconnected', 'network',
]);

/**
 * What went wrong, by a stable machine word (`code`): the server's words, and the client's own
 * `network`, `unavailable`, `timeout`, `disconnected`, `left`, `signed_out`, `discarded`, `bad_url`.
 */
export class ConfabError extends Error {
  /**
   * @param {string} code
   * @param {string} [message]
   * @param {{status?: number, field?: string, retry_after_ms?: number, close_code?: number, cause?: unknown}} [more]
   */
  constructor(code, message, more = {}) {
    super(message || code, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'ConfabError';
    this.code = code;
    this.status = more.status;
    this.field = more.field;
    this.retry_after_ms = more.retry_after_ms;
    this.close_code = more.close_code;
  }

  /** May the same request succeed later? */
  get temporary() {
    return this.retry_after_ms !== undefined || TEMPORARY.has(this.code);
  }

  /** @param {any} frame an `error` frame */
  static fromFrame(frame) {
    return new ConfabError(String(frame.code ?? 'error'), frame.message, { retry_after_ms: frame.retry_after_ms });
  }
}
