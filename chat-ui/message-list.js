import { dayKey, dayName } from './format.js';

/** Messages of one author that follow each other within this time are drawn as one block. */
const BLOCK_MS = 7 * 60_000;

/**
 * @typedef {object} Line one line of the conversation as it is drawn
 * @property {string} key
 * @property {'day'|'new'|'message'} kind
 * @property {string} [text] of a day
 * @property {any} [message] with id 0 while it is on its way
 * @property {string} [author] the name to show
 * @property {boolean} [first] of a block
 * @property {'stored'|'queued'|'sending'|'sent'|'failed'} [state]
 * @property {any} [entry] the outbox's, where the message or a change to it is on its way
 */

/**
 * Lays out messages, what is on its way, and the dividers between them.
 * @param {object} content
 * @param {readonly import('./timeline.js').Message[]} content.messages
 * @param {readonly any[]} content.pending outbox entries of this room
 * @param {number|null} content.newAfter
 * @param {string} content.me
 * @param {(user_id: string|null) => string} content.nameOf
 * @param {Date} [content.now]
 * @returns {Line[]}
 */
export function layOut({ messages, pending, newAfter, me, nameOf, now = new Date() }) {
  const changes = new Map(pending.filter((entry) => entry.type !== 'chat_message').map((entry) => [entry.id, entry]));
  const sends = pending.filter((entry) => entry.type === 'chat_message');
  /** @type {Line[]} */
  const lines = [];
  let day = '';
  /** @type {{user_id: string, at: number}|null} */
  let block = null;
  let divided = newAfter === null;

  /** @param {any} message @param {Partial<Line>} more */
  const add = (message, more) => {
    const date = new Date(message.timestamp);
    if (dayKey(date) !== day) {
      day = dayKey(date);
      block = null;
      lines.push({ key: `d${day}`, kind: 'day', text: dayName(date, now) });
    }
    if (!divided && message.id > /** @type {number} */ (newAfter) && message.user_id !== me) {
      divided = true; // one's own message is no news
      block = null;
      lines.push({ key: 'new', kind: 'new' });
    }
    const at = date.getTime();
    const first = block === null || block.user_id !== message.user_id || at - block.at > BLOCK_MS;
    block = { user_id: message.user_id, at };
    // One's own message keeps its key from the moment it is sent, and so its place on the screen.
    const key = message.client_id && message.user_id === me ? `c${message.client_id}` : `m${message.id}`;
    lines.push({ key, kind: 'message', message, author: nameOf(message.user_id), first, state: 'stored', ...more });
  };

  for (const message of messages) {
    const change = changes.get(message.id);
    if (message.deleted || (change?.type === 'delete_message' && change.state !== 'failed')) continue;
    add(message, change ? { entry: change, state: change.state } : {});
  }
  for (const entry of sends) {
    add({
      id: 0, user_id: me, message: entry.message, client_id: entry.client_id, reactions: [],
      timestamp: new Date(entry.created_at).toISOString(),
    }, { entry, state: entry.state });
  }
  return lines;
}

/**
 * Would both, of the same key, be drawn the same?
 * @param {Line} a
 * @param {Line} b
 */
export function sameLine(a, b) {
  const sameMessage = a.message === b.message || (a.message?.id === 0 && b.message?.id === 0);
  return sameMessage && a.kind === b.kind && a.text === b.text && a.author === b.author && a.first === b.first
    && a.state === b.state && a.entry?.message === b.entry?.message;
}
