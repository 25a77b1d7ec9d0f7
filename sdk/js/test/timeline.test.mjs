import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyEvents, createTimeline, dropPage, expectPage, indexOfMessage, keepNewest, mergePage } from '../timeline.js';
import { message } from './fakes.mjs';

const event = (type, id, target_id, more = {}) => ({
  type, data: { id, room_id: 'general', user_id: 'bob', timestamp: `T${id}`, target_id, ...more },
});
const texts = (timeline) => timeline.messages.map((m) => (m.deleted ? '†' : m.message));
const item = (id, more = {}) => ({ id, room_id: 'general', user_id: 'bob', message: `m${id}`, timestamp: 'T', reactions: [], ...more });

test('messages, edits and deletions are folded in order', () => {
  const timeline = applyEvents(createTimeline('alice'), [
    message(1), message(2), message(3),
    event('message_edited', 4, 2, { message: 'better' }),
    event('message_deleted', 5, 1),
    event('member_joined', 6, undefined, { member_id: 'carol' }),
  ]);
  assert.deepEqual(texts(timeline), ['†', 'better', 'm3']);
  assert.equal(timeline.messages[1].edited_at, 'T4');
});

test('reactions are counted, and know which are mine', () => {
  let timeline = applyEvents(createTimeline('alice'), [
    message(1),
    event('reaction_added', 2, 1, { reaction: '👍' }),
    event('reaction_added', 3, 1, { reaction: '👍', user_id: 'alice' }),
    event('reaction_added', 4, 1, { reaction: '🎉' }),
  ]);
  assert.deepEqual(timeline.messages[0].reactions, [
    { reaction: '👍', count: 2, me: true }, { reaction: '🎉', count: 1, me: false },
  ]);
  timeline = applyEvents(timeline, [
    event('reaction_removed', 5, 1, { reaction: '👍', user_id: 'alice' }),
    event('reaction_removed', 6, 1, { reaction: '🎉' }),
  ]);
  assert.deepEqual(timeline.messages[0].reactions, [{ reaction: '👍', count: 1, me: false }]);
});

test('an event twice changes nothing the second time', () => {
  const events = [message(1), event('reaction_added', 2, 1, { reaction: '👍' }), event('message_edited', 3, 1, { message: 'x' })];
  const once = applyEvents(createTimeline('alice'), events);
  assert.equal(applyEvents(once, events), once);
});

test('unchanged messages stay the same objects, and the input is left alone', () => {
  const before = applyEvents(createTimeline('alice'), [message(1), message(2)]);
  const frozen = Object.freeze([...before.messages]);
  const after = applyEvents(before, [event('message_edited', 3, 2, { message: 'x' })]);
  assert.equal(after.messages[0], before.messages[0]);
  assert.notEqual(after.messages[1], before.messages[1]);
  assert.deepEqual(before.messages, frozen);
  assert.equal(applyEvents(before, [event('message_edited', 3, 99, { message: 'x' })]), before);
});

test('a page merges with live events around it, none twice, and is never overtaken by older events', () => {
  let timeline = expectPage(createTimeline('alice'));
  timeline = applyEvents(timeline, [message(12), event('reaction_added', 13, 10, { reaction: '👍' }), message(14)]);
  // The page was read at 13: it holds the reaction already.
  timeline = mergePage(timeline, [item(10, { reactions: [{ reaction: '👍', count: 1, me: false }] }), item(12)], 13);
  assert.deepEqual(timeline.messages.map((m) => m.id), [10, 12, 14]);
  assert.equal(timeline.messages[0].reactions[0].count, 1);
  timeline = applyEvents(timeline, [event('reaction_added', 13, 10, { reaction: '👍' })]);
  assert.equal(timeline.messages[0].reactions[0].count, 1);
  timeline = applyEvents(timeline, [event('reaction_added', 15, 10, { reaction: '👍' })]);
  assert.equal(timeline.messages[0].reactions[0].count, 2);
});

test('a change that comes while the page with its message is on the way is not lost', () => {
  let timeline = applyEvents(createTimeline('alice'), [message(20)]);
  timeline = applyEvents(expectPage(timeline), [
    event('message_edited', 21, 5, { message: 'edited meanwhile' }),
    event('message_deleted', 22, 6),
  ]);
  timeline = mergePage(timeline, [item(5), item(6)], 20);
  assert.deepEqual(texts(timeline), ['edited meanwhile', '†', 'm20']);
  assert.equal(timeline.waiting, null);
});

test('a page that failed leaves the timeline as it was', () => {
  const timeline = applyEvents(createTimeline('alice'), [message(1)]);
  assert.deepEqual(dropPage(expectPage(timeline)), timeline);
});

test('only the newest are kept, but never while a page is on its way', () => {
  const timeline = applyEvents(createTimeline('alice'), Array.from({ length: 10 }, (_, i) => message(i + 1)));
  assert.deepEqual(keepNewest(timeline, 3).messages.map((m) => m.id), [8, 9, 10]);
  assert.equal(keepNewest(timeline, 10), timeline);
  const waiting = expectPage(timeline);
  assert.equal(keepNewest(waiting, 3), waiting);
});

test('a deleted message that is replayed comes as a tombstone, whatever follows', () => {
  const timeline = applyEvents(createTimeline('alice'), [
    message(1, { message: '', deleted: true }), event('message_edited', 2, 1, { message: '' }), event('message_deleted', 3, 1),
  ]);
  assert.deepEqual(texts(timeline), ['†']);
});

test('messages are found by id', () => {
  const { messages } = applyEvents(createTimeline('alice'), [2, 5, 9].map((id) => message(id)));
  assert.deepEqual([2, 5, 9, 1, 6, 10].map((id) => indexOfMessage(messages, id)), [0, 1, 2, -1, -1, -1]);
});
