/**
 * The messages of one room as people see them, folded from its events. Pure functions: each takes a
 * timeline and returns another (or the same one where nothing changed), and a message that did not
 * change is the same object, so a view can compare by identity.
 *
 * A message remembers the last event that it reflects (`version`). A page from the server reflects
 * everything up to some event, and an event that a message reflects already changes nothing: pages and
 * live events may therefore overlap in any way without a reaction counted twice.
 *
 * @typedef {{reaction: string, count: number, me: boolean}} Reaction
 *
 * @typedef {object} Message
 * @property {number} id
 * @property {string} room_id
 * @property {string} user_id
 * @property {string} message
 * @property {string} timestamp
 * @property {string} [edited_at]
 * @property {boolean} [deleted]
 * @property {number} [reply_to]
 * @property {string} [client_id]
 * @property {readonly Reaction[]} reactions
 * @property {number} version
 *
 * @typedef {object} Timeline
 * @property {string} me whose reactions count as one's own
 * @property {readonly Message[]} messages ascending by id, without a hole between first and last
 * @property {readonly import('./subscriptions.js').RoomEvent[]|null} waiting while a page is on its
 *   way: changes to messages that it may bring
 */

const CHANGES = new Set(['message_edited', 'message_deleted', 'reaction_added', 'reaction_removed']);

/**
 * @param {string} me
 * @returns {Timeline}
 */
export function createTimeline(me) {
  return { me, messages: [], waiting: null };
}

/**
 * @param {readonly Message[]} messages
 * @param {number} id
 * @returns {number} where the message is, or -1
 */
export function indexOfMessage(messages, id) {
  const at = lowerBound(messages, id);
  return messages[at]?.id === id ? at : -1;
}

/**
 * @param {Timeline} timeline
 * @param {readonly import('./subscriptions.js').RoomEvent[]} events in the order of their ids
 * @returns {Timeline}
 */
export function applyEvents(timeline, events) {
  const messages = [...timeline.messages];
  const waiting = timeline.waiting ? [...timeline.waiting] : null;
  let changed = false;
  for (const event of events) {
    if (event.type === 'message') {
      changed = insert(messages, fromEvent(event)) || changed;
    } else if (CHANGES.has(event.type)) {
      const at = indexOfMessage(messages, event.data.target_id);
      if (at >= 0) {
        const next = change(messages[at], event, timeline.me);
        changed = changed || next !== messages[at];
        messages[at] = next;
      } else if (waiting) {
        waiting.push(event);
        changed = true;
      }
    }
  }
  return changed ? { ...timeline, messages, waiting } : timeline;
}

/**
 * Say before a page is asked for that it will come; `mergePage` or `dropPage` ends it.
 * @param {Timeline} timeline
 * @returns {Timeline}
 */
export function expectPage(timeline) {
  return { ...timeline, waiting: timeline.waiting ?? [] };
}

/**
 * @param {Timeline} timeline
 * @returns {Timeline}
 */
export function dropPage(timeline) {
  return { ...timeline, waiting: null };
}

/**
 * @param {Timeline} timeline
 * @param {readonly Omit<Message, 'version'>[]} page ascending, as the server answers
 * @param {number} asOf every event up to this one is reflected in the page
 * @returns {Timeline}
 */
export function mergePage(timeline, page, asOf) {
  const messages = [...timeline.messages];
  for (const item of page) {
    /** @type {Message} */
    let message = { ...item, reactions: item.reactions ?? [], version: Math.max(item.id, asOf) };
    for (const event of timeline.waiting ?? []) {
      if (event.data.target_id === item.id) message = change(message, event, timeline.me);
    }
    const at = indexOfMessage(messages, item.id);
    if (at < 0) insert(messages, message);
    else if (messages[at].version < message.version) messages[at] = message;
  }
  return { ...timeline, messages, waiting: null };
}

/**
 * Keep only the newest, so that a page left open for weeks does not grow without end.
 * @param {Timeline} timeline
 * @param {number} count
 * @returns {Timeline} the same one where there was nothing to drop, or a page is on its way
 */
export function keepNewest(timeline, count) {
  if (timeline.waiting || timeline.messages.length <= count) return timeline;
  return { ...timeline, messages: timeline.messages.slice(-count) };
}

/**
 * @param {Message[]} messages
 * @param {Message} message
 */
function insert(messages, message) {
  const at = lowerBound(messages, message.id);
  if (messages[at]?.id === message.id) return false;
  messages.splice(at, 0, message);
  return true;
}

/**
 * @param {readonly Message[]} messages
 * @param {number} id
 */
function lowerBound(messages, id) {
  let low = 0;
  let high = messages.length;
  if (high && messages[high - 1].id < id) return high; // nearly always: it is the newest
  while (low < high) {
    const middle = (low + high) >> 1;
    if (messages[middle].id < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * @param {import('./subscriptions.js').RoomEvent} event
 * @returns {Message}
 */
function fromEvent({ data }) {
  return { .../** @type {any} */ (data), reactions: [], version: data.id };
}

/**
 * @param {Message} message
 * @param {import('./subscriptions.js').RoomEvent} event
 * @param {string} me
 * @returns {Message}
 */
function change(message, { type, data }, me) {
  if (data.id <= message.version) return message;
  const next = { ...message, version: data.id };
  if (type === 'message_edited') return { ...next, message: data.message, edited_at: data.timestamp };
  if (type === 'message_deleted') return { ...next, message: '', deleted: true, reactions: [] };
  const step = type === 'reaction_added' ? 1 : -1;
  return { ...next, reactions: count(message.reactions, data.reaction, step, data.user_id === me) };
}

/**
 * @param {readonly Reaction[]} reactions
 * @param {string} reaction
 * @param {1|-1} step
 * @param {boolean} mine
 */
function count(reactions, reaction, step, mine) {
  const known = reactions.some((item) => item.reaction === reaction);
  const all = known ? reactions : [...reactions, { reaction, count: 0, me: false }];
  return all
    .map((item) => (item.reaction !== reaction ? item
      : { reaction, count: item.count + step, me: mine ? step > 0 : item.me }))
    .filter((item) => item.count > 0);
}
