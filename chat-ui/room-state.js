import { createTimeline } from './timeline.js';

/**
 * What the page knows of one room.
 *
 * @typedef {object} RoomState
 * @property {string} id
 * @property {any} info the server's ROOM
 * @property {boolean} member
 * @property {number} unread
 * @property {number} countedTo id of the last event that `unread` takes into account
 * @property {number} lastRead
 * @property {number} readSaid up to where the server has been told that one has read; 0: to be told
 * @property {any} readTimer
 * @property {import('./timeline.js').Timeline} timeline
 * @property {'no'|'loading'|'yes'|'failed'} loaded whether the newest page is there
 * @property {boolean} loadingOlder
 * @property {boolean} hasOlder
 * @property {number} content counts how often the content was thrown away, to know a late page for late
 * @property {number|null} newAfter what comes after this event is new since the room was last looked at
 * @property {string|null} notice a sentence at the top, where something older is missing
 * @property {import('./subscriptions.js').RoomEvent[]} queue events that the timeline has not taken yet
 * @property {Map<string, {id: number, entry: any}>} acked own messages whose event has not come yet
 * @property {Map<string, any>} members by user id
 * @property {Set<string>} here
 * @property {number} online
 * @property {Map<string, any>} typing user id → timer
 */

/** What to call a room. @param {RoomState} room */
export const titleOf = (room) => room.info.name || room.id;

/**
 * @param {any} info
 * @param {string} me
 * @returns {RoomState}
 */
export function createRoom(info, me) {
  return {
    id: info.room_id, info, member: Boolean(info.role), unread: info.unread ?? 0, countedTo: info.last_id,
    lastRead: info.last_read_id ?? 0, readSaid: info.last_read_id ?? 0, readTimer: null, timeline: createTimeline(me), loaded: 'no', loadingOlder: false, hasOlder: false,
    content: 0, newAfter: null, notice: null, queue: [], acked: new Map(), members: new Map(), here: new Set(),
    online: info.online ?? 0, typing: new Map(),
  };
}

/**
 * A newer ROOM. What it counts as unread holds up to its `last_id`; events that were counted since stay
 * counted.
 * @param {RoomState} room
 * @param {any} info
 */
export function updateRoom(room, info) {
  const older = info.last_id < room.countedTo;
  room.info = older ? { ...info, last_id: room.countedTo } : info;
  room.member = Boolean(info.role);
  room.lastRead = Math.max(room.lastRead, info.last_read_id ?? 0);
  if (older) return;
  room.unread = room.lastRead >= info.last_id ? 0 : (info.unread ?? 0);
  room.countedTo = info.last_id;
}

/**
 * Throws the messages away; the next load brings them anew.
 * @param {RoomState} room
 * @param {string|null} notice
 */
export function clearContent(room, notice) {
  room.timeline = createTimeline(room.timeline.me);
  room.loaded = 'no';
  room.loadingOlder = false;
  room.hasOlder = false;
  room.content += 1;
  room.notice = notice;
  room.newAfter = null;
  room.queue.length = 0;
  room.acked.clear();
}

/**
 * Takes into account what an event says of the room itself.
 * @param {RoomState} room
 * @param {import('./subscriptions.js').RoomEvent} event
 * @returns {boolean} whether it said something
 */
export function applyRoomEvent(room, { type, data }) {
  switch (type) {
    case 'room_renamed': room.info = { ...room.info, name: data.name }; return true;
    case 'room_topic_changed': room.info = { ...room.info, topic: data.topic }; return true;
    case 'room_kind_changed': room.info = { ...room.info, kind: data.kind }; return true;
    case 'room_archived': room.info = { ...room.info, archived: true }; return true;
    case 'room_unarchived': room.info = { ...room.info, archived: false }; return true;
    case 'member_left': room.members.delete(data.member_id); return true;
    case 'member_joined':
      room.members.set(data.member_id, { user_id: data.member_id, role: data.role ?? 'member' });
      return true;
    default: return false;
  }
}
