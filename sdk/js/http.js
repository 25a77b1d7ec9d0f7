import { systemClock } from './clock.js';
import { ConfabError } from './errors.js';

/**
 * One HTTP exchange with the API: JSON out, JSON in, every failure a ConfabError.
 */
export class Http {
  /**
   * @param {{base: string, fetch?: typeof fetch, clock?: import('./clock.js').Clock, timeout_ms?: number}} options
   */
  constructor({ base, fetch = globalThis.fetch, clock = systemClock, timeout_ms = 20_000 }) {
    this.base = base.replace(/\/+$/, '');
    this.fetch = fetch;
    this.clock = clock;
    this.timeout_ms = timeout_ms;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{query?: Record<string, unknown>, body?: unknown, token?: string|null}} [more]
   * @returns {Promise<any>} the decoded body; null where there is none
   */
  async call(method, path, { query = {}, body, token } = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
    const search = given.length ? `?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}` : '';
    /** @type {Record<string, string>} */
    const headers = { accept: 'application/json' };
    if (token) headers.authorization = `Bearer ${token}`;
    if (body !== undefined) headers['content-type'] = 'application/json';

    const aborter = new AbortController();
    const timer = this.clock.setTimeout(() => aborter.abort(), this.timeout_ms);
    try {
      // Called as a plain function: a browser's fetch refuses any other `this`.
      const { fetch } = this;
      const response = await fetch(`${this.base}${path}${search}`, {
        method, headers, signal: aborter.signal, body: body === undefined ? undefined : JSON.stringify(body),
      });
      if (!response.ok) throw await problem(response);
      const text = await response.text();
      return text ? JSON.parse(text) : null;
    } catch (cause) {
      if (cause instanceof ConfabError) throw cause;
      throw new ConfabError('network', 'The server cannot be reached', { cause });
    } finally {
      this.clock.clearTimeout(timer);
    }
  }
}

/**
 * @param {Response} response
 * @returns {Promise<ConfabError>} from an RFC 9457 document, or from the bare status
 */
async function problem(response) {
  const told = await response.json().catch(() => ({}));
  const seconds = Number(response.headers.get('retry-after') ?? NaN);
  const retry_after_ms = told.retry_after_ms ?? (Number.isFinite(seconds) ? seconds * 1000 : undefined);
  return new ConfabError(told.code ?? fallbackCode(response.status), told.detail || told.title, {
    status: response.status, field: told.field, retry_after_ms,
  });
}

/** @param {number} status */
function fallbackCode(status) {
  if (status === 429) return 'rate_limited';
  return status >= 500 ? 'unavailable' : `http_${status}`;
}
