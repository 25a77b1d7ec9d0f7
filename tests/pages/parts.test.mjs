/** The parts of the chat page that need no page. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dayName, typingText } from '../../chat-ui/format.js';
import { splitLinks } from '../../chat-ui/linkify.js';
import { layOut, sameLine } from '../../chat-ui/message-list.js';

const NOW = new Date(2026, 10, 24, 12, 0);
const at = (day, hour, minute = 0) => new Date(2026, 10, day, hour, minute).toISOString();
const message = (id, user_id, timestamp, more = {}) => ({ id, user_id, timestamp, message: `m${id}`, reactions: [], version: id, ...more });
const lines = (messages, more = {}) => layOut({
  messages, pending: [], newAfter: null, me: 'me', nameOf: (id) => id.toUpperCase(), now: NOW, ...more,
});
const sketch = (all) => all.map((line) => (line.kind === 'message' ? `${line.first ? '+' : ' '}${line.message.message}` : line.text ?? 'NEW'));

test('messages are grouped by day, by author, and by closeness in time', () => {
  assert.deepEqual(sketch(lines([
    message(1, 'a', at(22, 9)), message(2, 'a', at(23, 9)), message(3, 'a', at(23, 9, 5)), message(4, 'a', at(23, 9, 30)),
    message(5, 'b', at(23, 9, 31)), message(6, 'b', at(24, 9)),
  ])), ['Sunday 22 November', '+m1', 'Yesterday', '+m2', ' m3', '+m4', '+m5', 'Today', '+m6'].map((text, index) => (
    index === 0 ? dayName(new Date(2026, 10, 22), NOW) : text)));
});

test('what is new is marked once, under its day, and never by one\'s own words', () => {
  const messages = [message(1, 'a', at(23, 9)), message(2, 'me', at(24, 9)), message(3, 'a', at(24, 9, 1)), message(4, 'a', at(24, 9, 2))];
  assert.deepEqual(sketch(lines(messages, { newAfter: 1 })), ['Yesterday', '+m1', 'Today', '+m2', 'NEW', '+m3', ' m4']);
  assert.deepEqual(sketch(lines(messages.slice(2), { newAfter: 1 })), ['Today', 'NEW', '+m3', ' m4']);
  assert.deepEqual(sketch(lines(messages, { newAfter: 4 })), ['Yesterday', '+m1', 'Today', '+m2', '+m3', ' m4']);
});

test('deleted messages are gone, and so are those whose deletion is on its way', () => {
  const messages = [message(1, 'me', at(24, 9)), message(2, 'me', at(24, 9), { deleted: true }), message(3, 'me', at(24, 9))];
  const deleting = { type: 'delete_message', id: 3, client_id: 'k', state: 'sending' };
  assert.deepEqual(sketch(lines(messages, { pending: [deleting] })), ['Today', '+m1']);
  assert.deepEqual(sketch(lines(messages, { pending: [{ ...deleting, state: 'failed' }] })), ['Today', '+m1', ' m3']);
});

test('what is on its way stands last, and keeps its place when it has arrived', () => {
  const entry = { type: 'chat_message', client_id: 'k1', message: 'hi', created_at: NOW.getTime(), state: 'sending' };
  const before = lines([message(1, 'me', at(24, 11, 59))], { pending: [entry] });
  assert.deepEqual(sketch(before), ['Today', '+m1', ' hi']);
  const after = lines([message(1, 'me', at(24, 11, 59)), message(2, 'me', NOW.toISOString(), { client_id: 'k1', message: 'hi' })]);
  assert.equal(before.at(-1).key, after.at(-1).key);
  assert.equal(sameLine(before.at(-1), after.at(-1)), false);
  assert.equal(sameLine(before.at(-1), lines([message(1, 'me', at(24, 11, 59))], { pending: [{ ...entry }] }).at(-1)), true);
});

test('links are found in text, and end where a person would end them', () => {
  const links = (text) => splitLinks(text).filter((part) => part.href).map((part) => part.href);
  assert.deepEqual(links('see https://a.example/b?c=d#e, or (http://b.example/x_(y)).'), ['https://a.example/b?c=d#e', 'http://b.example/x_(y)']);
  assert.deepEqual(links('javascript:alert(1) ftp://x.example data:text/html,x https://'), []);
  for (const text of ['', 'no link', 'https://a.example', 'a https://a.example/"><b> c', 'https://a.example.']) {
    assert.equal(splitLinks(text).map((part) => part.text).join(''), text);
  }
});

test('who types is said in words', () => {
  assert.deepEqual([[], ['A'], ['A', 'B'], ['A', 'B', 'C']].map(typingText), [
    '', 'A is typing…', 'A and B are typing…', 'Several people are typing…',
  ]);
});
