/** How times, names and errors are written. */

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });
const thisYear = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const otherYear = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

/** @param {Date} date */
export const timeOfDay = (date) => clock.format(date);
/** @param {Date} date */
export const fullTime = (date) => full.format(date);

/** @param {Date} date */
export const dayKey = (date) => `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;

/**
 * @param {Date} date
 * @param {Date} now
 */
export function dayName(date, now) {
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  if (dayKey(date) === dayKey(now)) return 'Today';
  if (dayKey(date) === dayKey(yesterday)) return 'Yesterday';
  return (date.getFullYear() === now.getFullYear() ? thisYear : otherYear).format(date);
}

/** @param {string[]} names */
export function typingText(names) {
  if (names.length === 0) return '';
  if (names.length === 1) return `${names[0]} is typing…`;
  if (names.length === 2) return `${names[0]} and ${names[1]} are typing…`;
  return 'Several people are typing…';
}

/** @param {number} count @param {string} one @param {string} many */
export const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;

/** @type {Record<string, string>} */
const SENTENCES = {
  network: 'The server cannot be reached. Please try again.',
  bad_credentials: 'User name or password is wrong.',
  room_exists: 'There is a room with this address already.',
  not_a_member: 'You are not a member of this room.',
  room_archived: 'The room is archived.',
  message_deleted: 'The message has been deleted.',
  too_large: 'The message is too long.',
  already_set_up: 'This server has been set up already. Please sign in.',
  last_owner: 'You are the last owner: hand the room to somebody else first.',
};

/** @param {any} error a ConfabError */
export function errorText(error) {
  if (error.code === 'rate_limited') {
    const seconds = Math.ceil((error.retry_after_ms ?? 0) / 1000);
    return seconds ? `Too many tries. Please wait ${counted(seconds, 'second', 'seconds')}.` : 'Too many tries. Please wait a little.';
  }
  return SENTENCES[error.code] ?? error.message ?? 'Something went wrong.';
}
