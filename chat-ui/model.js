import { Emitter } from './emitter.js';
import { applyRoomEvent, clearContent, createRoom, updateRoom } from './room-state.js';
import { applyEvents, dropPage, expectPage, keepNewest, mergePage } from './timeline.js';

const PAGE = 50;
/** While the newest are being looked at, older messages beyond this many are let go. */
const KEEP = 300;
const KEEP_SLACK = 150;
const TYPING_SHOWN_MS = 6_000;
const TYPING_EVERY_MS = 3_000;
const READ_EVERY_MS = 1_000;
const RETRY_MS = 3_000;
/** The room that people land in who are in none yet. */
const FIRST_ROOM = 'general';

/** @typedef {import('./room-state.js').RoomState} RoomState */

/**
 * Everything that the page shows, without a word of how. It listens to the client and keeps the rooms;
 * views listen to it and draw.
 *
 * Events: `rooms` the list changed · `room` {room} its name, topic or one's membership · `messages`
 * {room} · `people` {room} · `typing` {room} · `opened` {room}.
 */
export class ChatModel extends Emitter {
  /** @type {Map<string, RoomState>} */
  rooms = new Map();
  ready = false;
  /** @type {string|null} */
  activeId = null;
  /** Whether the newest message of the open room is in sight; the view says so. */
  following = true;
  #epoch = '';
  #maxRooms = 100;
  /** @type {Map<string, string>} */
  #names = new Map();
  #learning = Promise.resolve();
  /** @type {Set<RoomState>} */
  #dirty = new Set();
  #typingSaid = { room_id: '', at: 0 };
  /** Readings of the list, one after the other. */
  #reading = Promise.resolve();

  /**
   * @param {import('./confab.js').ConfabClient} client
   * @param {(run: () => void) => void} schedule runs it soon, once for many changes
   */
  constructor(client, schedule) {
    super();
    this.client = client;
    this.schedule = schedule;
    this.me = /** @type {import('./session.js').User} */ (client.session.user);
    this.#names.set(this.me.user_id, this.me.display_name);

    const { connection, subscriptions, outbox } = client;
    connection.on('online', ({ epoch, limits }) => {
      this.#epoch = epoch;
      this.#maxRooms = limits?.max_rooms ?? this.#maxRooms;
      this.refreshRooms();
    });
    subscriptions.on('event', ({ room_id, event }) => this.#event(room_id, event));
    subscriptions.on('reset', ({ room_id }) => this.#startOver(room_id, null, 0));
    subscriptions.on('gap', ({ room_id }) => this.#startOver(room_id, 'Older messages are no longer kept.'));
    subscriptions.on('caught_up', ({ room_id }) => this.#caughtUp(room_id));
    subscriptions.on('left', ({ room_id }) => this.#out(room_id));
    subscriptions.on('refused', ({ room_id }) => this.#out(room_id));
    outbox.on('changed', ({ room_id }) => this.#touch(this.rooms.get(room_id)));
    outbox.on('acked', ({ entry, ack }) => this.#acked(entry, ack));
    client.on('ephemeral', (frame) => this.#ephemeral(frame));
  }

  get active() {
    return this.activeId === null ? undefined : this.rooms.get(this.activeId);
  }

  /** @param {string|null} user_id null: the server itself */
  nameOf(user_id) {
    if (user_id === null) return 'Confab';
    if (!this.#names.has(user_id)) this.#learnName(user_id);
    return this.#names.get(user_id) || user_id;
  }

  /** Somebody whom no list of members has named: asked for one after the other. @param {string} user_id */
  #learnName(user_id) {
    this.#names.set(user_id, ''); // once
    this.#learning = this.#learning.then(async () => {
      if (this.#names.get(user_id)) return;
      const user = await this.client.rest.user(user_id).catch(() => null);
      if (!user?.display_name || user.display_name === user_id) return;
      this.#names.set(user_id, user.display_name);
      this.#touch(this.active);
      if (this.active) this.#soon('people', this.active);
    });
  }

  get totalUnread() {
    let sum = 0;
    for (const room of this.rooms.values()) sum += room.member ? room.unread : 0;
    return sum;
  }

  /* Rooms */

  /** Reads the list of rooms, and joins those that one is a member of. */
  refreshRooms() {
    this.#reading = this.#reading.then(() => this.#readRooms());
    return this.#reading;
  }

  async #readRooms() {
    try {
      const items = await this.#allRooms();
      if (!items.some((info) => info.role) && items.some((info) => info.room_id === FIRST_ROOM)) {
        await this.client.rest.putMember(FIRST_ROOM, this.me.user_id);
        items.splice(0, items.length, ...(await this.#allRooms()));
      }
      this.#takeRooms(items);
    } catch {
      setTimeout(() => this.client.connection.online && this.refreshRooms(), RETRY_MS);
    }
  }

  async #allRooms() {
    const items = [];
    /** @type {string|undefined} */
    let after;
    do {
      const page = await this.client.rest.rooms({ after, limit: 200 });
      items.push(...page.items);
      after = page.more ? page.next : undefined;
    } while (after !== undefined);
    return items;
  }

  /** @param {any[]} items */
  #takeRooms(items) {
    const listed = new Set(items.map((info) => info.room_id));
    for (const id of this.rooms.keys()) if (!listed.has(id)) this.rooms.delete(id);
    for (const info of items) {
      const room = this.rooms.get(info.room_id);
      if (room) updateRoom(room, info);
      else this.rooms.set(info.room_id, createRoom(info, this.me.user_id));
    }
    this.ready = true;
    this.#subscribe();
    this.emit('rooms');
    if (this.active) this.emit('room', { room: this.active });
    if (this.active?.member && this.active.loaded === 'no') this.#loadNewest(this.active);
  }

  /** Every room of one's own is listened to, so that unread counts live; the open one in any case. */
  #subscribe() {
    const own = [...this.rooms.values()].filter((room) => room.member);
    own.sort((a, b) => Number(b.id === this.activeId) - Number(a.id === this.activeId));
    for (const room of own.slice(0, this.#maxRooms)) {
      if (this.client.subscriptions.has(room.id)) continue;
      this.client.subscriptions.join(room.id, { after: room.info.last_id, epoch: this.#epoch });
    }
  }

  /** @param {string} room_id */
  async joinRoom(room_id) {
    await this.client.rest.putMember(room_id, this.me.user_id);
    await this.refreshRooms();
  }

  /** @param {string} room_id */
  async leaveRoom(room_id) {
    await this.client.rest.removeMember(room_id, this.me.user_id);
    this.client.subscriptions.leave(room_id);
    this.#out(room_id);
  }

  /** @param {{room_id: string, name: string, topic: string, kind: 'public'|'private'}} room */
  async createRoom(room) {
    await this.client.rest.createRoom(room);
    await this.refreshRooms();
  }

  /** One is no longer in the room; whether it can still be seen, the list will tell. @param {string} room_id */
  #out(room_id) {
    const room = this.rooms.get(room_id);
    if (!room) return;
    room.member = false;
    room.unread = 0;
    clearContent(room, null);
    this.emit('rooms');
    if (room_id === this.activeId) this.emit('room', { room });
    this.refreshRooms();
  }

  /**
   * Shows a room. One that is not known (yet) is kept in mind: the list may still be on its way.
   * @param {string|null} room_id
   */
  open(room_id) {
    this.activeId = room_id;
    this.following = true;
    const room = this.active;
    if (room) {
      room.newAfter = room.unread > 0 ? room.lastRead : null;
      if (room.member) {
        this.#subscribe();
        if (room.loaded === 'no' || room.loaded === 'failed') this.#loadNewest(room);
        this.#loadPeople(room);
      }
    }
    this.emit('opened', { room });
  }

  /* Messages */

  /**
   * @param {string} room_id
   * @param {import('./subscriptions.js').RoomEvent} event
   */
  #event(room_id, event) {
    const room = this.rooms.get(room_id);
    if (!room) return;
    const { id, user_id } = event.data;
    room.info.last_id = Math.max(room.info.last_id, id);
    if (id > room.countedTo) {
      room.countedTo = id;
      if (event.type === 'message' && user_id !== this.me.user_id && !event.data.deleted) {
        room.unread += 1;
        this.#soon('rooms', room);
      }
    }
    if (event.type === 'message') this.#stopTyping(room, user_id);
    if (applyRoomEvent(room, event)) {
      for (const what of ['room', 'people', 'rooms']) this.#soon(what, room);
    }
    if (room.loaded !== 'no') room.queue.push(event);
    this.#touch(room);
  }

  /** @type {Map<string, Set<RoomState>>} */
  #toTell = new Map();

  /**
   * A replay may bring thousands of events that change one thing: it is told once.
   * @param {string} what
   * @param {RoomState} room
   */
  #soon(what, room) {
    if (this.#toTell.size === 0) this.schedule(() => this.#tell());
    this.#toTell.set(what, (this.#toTell.get(what) ?? new Set()).add(room));
  }

  #tell() {
    const toTell = [...this.#toTell];
    this.#toTell.clear();
    for (const [what, rooms] of toTell) {
      if (what === 'rooms') this.emit(what);
      else for (const room of rooms) this.emit(what, { room });
    }
  }

  /** Many events may come at once; the timeline takes them together. @param {RoomState|undefined} room */
  #touch(room) {
    if (!room) return;
    if (this.#dirty.size === 0) this.schedule(() => this.#flush());
    this.#dirty.add(room);
  }

  #flush() {
    const rooms = [...this.#dirty];
    this.#dirty.clear();
    for (const room of rooms) {
      if (room.queue.length) room.timeline = applyEvents(room.timeline, room.queue.splice(0));
      const inSight = room.id === this.activeId && !this.following;
      if (!inSight && room.timeline.messages.length > KEEP + KEEP_SLACK) {
        const kept = keepNewest(room.timeline, KEEP);
        if (kept !== room.timeline) room.hasOlder = true;
        room.timeline = kept;
      }
      for (const [client_id, { id }] of room.acked) if (id <= room.info.last_id) room.acked.delete(client_id);
      this.emit('messages', { room });
    }
  }

  /** @param {RoomState} room */
  async #loadNewest(room) {
    room.loaded = 'loading';
    this.emit('messages', { room });
    const page = await this.#page(room, {});
    if (page === 'late') return;
    room.loaded = page ? 'yes' : 'failed';
    if (page) room.hasOlder = page.more;
    this.#touch(room);
    if (!page) setTimeout(() => room.loaded === 'failed' && room.id === this.activeId && this.#loadNewest(room), RETRY_MS);
  }

  /** @param {RoomState} room */
  async loadOlder(room) {
    const oldest = room.timeline.messages[0];
    if (room.loaded !== 'yes' || room.loadingOlder || !room.hasOlder || !oldest) return;
    room.loadingOlder = true;
    this.emit('messages', { room });
    const page = await this.#page(room, { before: oldest.id });
    if (page === 'late') return;
    room.hasOlder = page ? page.more && page.items.length > 0 : true;
    // A failed page is asked for again by the next scroll, but not in a tight loop.
    if (!page) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    room.loadingOlder = false;
    this.#touch(room);
  }

  /**
   * Fetches a page into the timeline.
   * @param {RoomState} room
   * @param {{before?: number}} from
   * @returns {Promise<any>} the page; null where it failed; 'late' where the room was cleared meanwhile
   */
  async #page(room, from) {
    const { content } = room;
    room.timeline = expectPage(room.timeline);
    const asked = room.info.last_id;
    const page = await this.client.rest.messages(room.id, { ...from, limit: PAGE }).catch(() => null);
    if (room.content !== content) return 'late';
    room.timeline = applyEvents(room.timeline, room.queue.splice(0));
    // `last_id`, where the server says it, is exactly what the page reflects; else what had come when it was asked for.
    room.timeline = page ? mergePage(room.timeline, page.items, page.last_id ?? asked) : dropPage(room.timeline);
    return page;
  }

  /**
   * What is on screen does not lead up to what will come: another database, or a part that is gone.
   * @param {string} room_id
   * @param {string|null} notice
   * @param {number} [lastRead]
   */
  #startOver(room_id, notice, lastRead) {
    const room = this.rooms.get(room_id);
    if (!room) return;
    clearContent(room, notice);
    room.info = { ...room.info, last_id: this.client.subscriptions.cursor(room_id)?.after ?? 0 };
    room.countedTo = room.info.last_id;
    room.lastRead = lastRead ?? room.lastRead;
    this.#touch(room);
    if (room_id === this.activeId) this.#loadNewest(room);
    this.refreshRooms();
  }

  /**
   * @param {any} entry
   * @param {any} ack
   */
  #acked(entry, { id }) {
    const room = this.rooms.get(entry.room_id);
    if (!room) return;
    // Shown as sent until its event comes, so that it does not vanish for a moment in between.
    if (entry.type === 'chat_message' && id > room.info.last_id) room.acked.set(entry.client_id, { id, entry });
    this.#touch(room);
  }

  /**
   * @param {RoomState} room
   * @returns {any[]} what is on its way, in order: outbox entries, those acknowledged first
   */
  pending(room) {
    const acked = [...room.acked.values()].map(({ entry }) => ({ ...entry, state: 'sent' }));
    return [...acked, ...this.client.outbox.pending(room.id)];
  }

  /**
   * @param {RoomState} room
   * @param {number} id
   * @param {{reaction: string, me: boolean}} reaction
   */
  toggleReaction(room, id, { reaction, me }) {
    const done = me ? this.client.unreact(room.id, id, reaction) : this.client.react(room.id, id, reaction);
    done.catch(() => {}); // it simply does not appear
  }

  /* Reading */

  /** The newest messages of the room are in sight. @param {RoomState} room */
  seen(room) {
    const { last_id } = room.info;
    if (room.unread) {
      room.unread = 0;
      this.emit('rooms');
    }
    if (last_id <= room.lastRead) return;
    room.lastRead = last_id;
    this.#sayRead(room);
  }

  /** At once, then not more often than now and then. @param {RoomState} room */
  #sayRead(room) {
    if (room.readTimer !== null || room.lastRead <= room.readSaid) return;
    room.readSaid = room.lastRead;
    this.client.read(room.id, room.lastRead).catch(() => {
      room.readSaid = 0; // again when there is a link
    });
    room.readTimer = setTimeout(() => {
      room.readTimer = null;
      this.#sayRead(room);
    }, READ_EVERY_MS);
  }

  /** The page is looked away from: what comes from here on will be new. @param {RoomState} room */
  lookedAway(room) {
    if (room.unread === 0) room.newAfter = room.info.last_id;
  }

  /** @param {string} room_id */
  #caughtUp(room_id) {
    const room = this.rooms.get(room_id);
    if (room?.member && room.readSaid === 0) this.#sayRead(room);
    if (room_id === this.activeId) this.#loadPresence(room_id);
  }

  /* Who is here */

  /** @param {RoomState} room */
  async #loadPeople(room) {
    this.#loadPresence(room.id);
    const page = await this.client.rest.members(room.id, { limit: 200 }).catch(() => null);
    if (!page) return;
    room.members = new Map(page.items.map((/** @type {any} */ member) => [member.user_id, member]));
    for (const { user_id, display_name } of page.items) this.#names.set(user_id, display_name);
    this.emit('people', { room });
    this.#touch(room); // names may have become known
  }

  /** @param {string} room_id */
  async #loadPresence(room_id) {
    const room = this.rooms.get(room_id);
    if (!room || !this.client.subscriptions.has(room_id)) return;
    const answer = await this.client.presence(room_id).catch(() => null);
    if (answer) this.#takePresence(room, answer);
  }

  /**
   * @param {RoomState} room
   * @param {{online: number, users?: string[]}} presence
   */
  #takePresence(room, { online, users }) {
    room.online = online;
    if (users) room.here = new Set(users);
    this.emit('people', { room });
  }

  /** @param {any} frame */
  #ephemeral(frame) {
    const room = this.rooms.get(frame.room_id);
    if (!room) return;
    if (frame.type === 'presence') this.#takePresence(room, frame);
    else if (frame.type === 'read') this.#readElsewhere(room, frame);
    else if (frame.type === 'typing') this.#typing(room, frame);
    else if (frame.type === 'user_joined' || frame.type === 'user_left') {
      if (frame.type === 'user_joined') room.here.add(frame.user_id);
      else room.here.delete(frame.user_id);
      room.online = frame.online ?? room.here.size;
      if (frame.type === 'user_left') this.#stopTyping(room, frame.user_id);
      this.#soon('people', room);
    }
  }

  /**
   * @param {RoomState} room
   * @param {{user_id: string, last_read_id: number}} frame
   */
  async #readElsewhere(room, { user_id, last_read_id }) {
    if (user_id !== this.me.user_id || last_read_id <= room.lastRead) return;
    room.lastRead = last_read_id;
    if (last_read_id >= room.info.last_id) room.unread = 0;
    else {
      const info = await this.client.rest.room(room.id).catch(() => null);
      if (info) updateRoom(room, info);
    }
    this.emit('rooms');
  }

  /* Typing */

  /** The person writes, or has stopped. @param {boolean} typing */
  sayTyping(typing) {
    const room = this.active;
    if (!room?.member) return;
    const now = Date.now();
    const said = this.#typingSaid;
    if (typing && said.room_id === room.id && now - said.at < TYPING_EVERY_MS) return;
    if (!typing && said.room_id !== room.id) return;
    this.#typingSaid = typing ? { room_id: room.id, at: now } : { room_id: '', at: 0 };
    this.client.typing(room.id, typing);
  }

  /**
   * @param {RoomState} room
   * @param {{user_id: string, typing: boolean}} frame
   */
  #typing(room, { user_id, typing }) {
    if (user_id === this.me.user_id) return;
    this.#stopTyping(room, user_id);
    if (!typing) return;
    room.typing.set(user_id, setTimeout(() => this.#stopTyping(room, user_id), TYPING_SHOWN_MS));
    this.emit('typing', { room });
  }

  /**
   * @param {RoomState} room
   * @param {string} user_id
   */
  #stopTyping(room, user_id) {
    if (!room.typing.has(user_id)) return;
    clearTimeout(room.typing.get(user_id));
    room.typing.delete(user_id);
    this.emit('typing', { room });
  }
}
