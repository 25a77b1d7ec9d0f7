/**
 * The REST API, a method per call; see `docs/protocol.md` for what they answer. Lists are pages
 * `{items, more, next}`.
 */
export class Rest {
  /**
   * @param {import('./http.js').Http} http
   * @param {import('./session.js').Session} session
   */
  constructor(http, session) {
    this.http = http;
    this.session = session;
  }

  /**
   * With the session's token; one that the server refuses is renewed once.
   * @param {string} method
   * @param {string} path
   * @param {{query?: Record<string, unknown>, body?: unknown}} [more]
   */
  async call(method, path, more = {}) {
    try {
      return await this.http.call(method, path, { ...more, token: await this.session.token() });
    } catch (error) {
      if (/** @type {any} */ (error).status !== 401) throw error;
      return this.http.call(method, path, { ...more, token: await this.session.token({ fresh: true }) });
    }
  }

  me() {
    return this.call('GET', '/api/me');
  }

  /** @param {{display_name: string}} change */
  updateMe(change) {
    return this.call('PATCH', '/api/me', { body: change });
  }

  /** @param {string} user_id */
  user(user_id) {
    return this.call('GET', `/api/users/${encodeURIComponent(user_id)}`);
  }

  /** @param {{after?: string, limit?: number}} [page] */
  rooms(page) {
    return this.call('GET', '/api/rooms', { query: page });
  }

  /** @param {string} room_id */
  room(room_id) {
    return this.call('GET', roomPath(room_id));
  }

  /** @param {{room_id: string, name?: string, topic?: string, kind?: 'public'|'private'}} room */
  createRoom(room) {
    return this.call('POST', '/api/rooms', { body: room });
  }

  /**
   * @param {string} room_id
   * @param {{after?: string, limit?: number}} [page]
   */
  members(room_id, page) {
    return this.call('GET', `${roomPath(room_id)}/members`, { query: page });
  }

  /**
   * @param {string} room_id
   * @param {string} user_id oneself, to join a public room
   * @param {{role?: string}} [member]
   */
  putMember(room_id, user_id, member = {}) {
    return this.call('PUT', `${roomPath(room_id)}/members/${encodeURIComponent(user_id)}`, { body: member });
  }

  /**
   * @param {string} room_id
   * @param {string} user_id oneself, to leave
   */
  removeMember(room_id, user_id) {
    return this.call('DELETE', `${roomPath(room_id)}/members/${encodeURIComponent(user_id)}`);
  }

  /**
   * Ascending; without a cursor the newest page.
   * @param {string} room_id
   * @param {{before?: number, after?: number, limit?: number}} [page]
   */
  messages(room_id, page) {
    return this.call('GET', `${roomPath(room_id)}/messages`, { query: page });
  }

  /**
   * @param {string} room_id
   * @param {number} id
   */
  message(room_id, id) {
    return this.call('GET', `${roomPath(room_id)}/messages/${id}`);
  }

  /**
   * @param {string} room_id
   * @param {{after?: number, limit?: number}} [page]
   */
  events(room_id, page) {
    return this.call('GET', `${roomPath(room_id)}/events`, { query: page });
  }

  /**
   * @param {string} room_id
   * @param {number} id
   */
  read(room_id, id) {
    return this.call('POST', `${roomPath(room_id)}/read`, { body: { id } });
  }
}

/** @param {string} room_id */
const roomPath = (room_id) => `/api/rooms/${encodeURIComponent(room_id)}`;
