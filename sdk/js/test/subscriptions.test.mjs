import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfabClient } from '../confab.js';
import { FakeClock, fakeSockets, joined, message, reconnect, record, settle, welcome } from './fakes.mjs';

async function setUp() {
  const clock = new FakeClock();
  const { sockets, FakeSocket } = fakeSockets();
  const client = new ConfabClient({
    base: 'http://127.0.0.1', access_token: 'T', WebSocket: FakeSocket, clock, random: () => 0.5,
    fetch: async () => { throw new TypeError('no network in this test'); },
  });
  const ids = [];
  client.subscriptions.on('event', ({ event }) => ids.push(event.data.id));
  await client.start();
  return { clock, sockets, client, ids };
}

/** Online, in the room, cursor at 10. */
async function inRoom() {
  const all = await setUp();
  const socket = await welcome(all.sockets);
  all.client.subscriptions.join('general');
  joined(socket, 'fresh', 10);
  socket.say({ type: 'caught_up', room_id: 'general', last_id: 10 });
  return { ...all, socket };
}

test('a first join asks for what comes from now on, and starts at last_id', async () => {
  const { socket, client, ids } = await inRoom();
  assert.equal('after' in socket.last('join'), false);
  socket.say(message(11));
  socket.say(message(12));
  assert.deepEqual(ids, [11, 12]);
  assert.deepEqual(client.subscriptions.cursor('general'), { after: 12, epoch: 'epoch-1', next_id: 13, phase: 'live' });
});

test('a join asked for offline is made when there is a link', async () => {
  const { sockets, client } = await setUp();
  const answer = client.subscriptions.join('general', { after: 7, epoch: 'epoch-1' });
  const socket = await welcome(sockets);
  assert.equal(socket.last('join').after, 7);
  joined(socket, 'resumed', 7);
  assert.equal((await answer).recovery, 'resumed');
});

test('reconnect resumes from the cursor: exactly what was missed, then live', async () => {
  const all = await inRoom();
  all.socket.say(message(11));
  const caughtUp = record(all.client.subscriptions, 'caught_up');
  const socket = await reconnect(all);
  assert.equal(socket.last('join').after, 11);
  assert.equal(socket.last('join').epoch, 'epoch-1');
  joined(socket, 'resumed', 14);
  for (const id of [12, 13, 14]) socket.say(message(id));
  socket.say({ type: 'caught_up', room_id: 'general', last_id: 14 });
  socket.say(message(15));
  assert.deepEqual(all.ids, [11, 12, 13, 14, 15]);
  assert.deepEqual(caughtUp, [{ room_id: 'general', last_id: 14, replayed: 3 }]);
});

test('events that come in the same turn as joined find the cursor set', async () => {
  const { sockets, client, ids } = await setUp();
  client.subscriptions.join('general');
  const socket = await welcome(sockets);
  joined(socket, 'fresh', 10); // no await between: one read of the socket may bring many frames
  socket.say(message(11));
  assert.deepEqual(ids, [11]);
});

test('an event seen already is dropped', async () => {
  const { socket, ids } = await inRoom();
  for (const id of [11, 11, 10, 3, 12, 11]) socket.say(message(id));
  assert.deepEqual(ids, [11, 12]);
});

test('a hole is never stepped over: reading starts again from the cursor', async () => {
  const { socket, client, ids } = await inRoom();
  const faults = record(client.subscriptions, 'fault');
  socket.say(message(11));
  socket.say(message(13));
  socket.say(message(14)); // on its way before the server heard of it
  assert.deepEqual(ids, [11]);
  assert.deepEqual(faults, [{ room_id: 'general', expected: 12, got: 13 }]);
  assert.equal(socket.all('join').length, 2);
  assert.equal(socket.last('join').after, 11);
  joined(socket, 'resumed', 14);
  for (const id of [12, 13, 14]) socket.say(message(id));
  assert.deepEqual(ids, [11, 12, 13, 14]);
});

test('out of order is never handed over, whatever the server does', async () => {
  const { socket, ids } = await inRoom();
  let state = 42;
  const random = () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648;
  for (let i = 0; i < 3000; i++) {
    socket.say(message(1 + Math.floor(random() * 60)));
    if (random() < 0.1 && socket.last('join').after !== undefined) joined(socket, 'resumed', 60);
    if (socket.closed) break;
  }
  assert.deepEqual(ids, ids.map((_, index) => 11 + index));
});

test('a link that keeps losing events is given up', async () => {
  const { socket, client } = await inRoom();
  for (let i = 0; i < 2; i++) {
    socket.say(message(20));
    joined(socket, 'resumed', 20);
  }
  assert.equal(client.connection.state, 'online');
  socket.say(message(20));
  assert.equal(client.connection.state, 'waiting');
});

test('a replay that ends short of what joined promised is a fault', async () => {
  const all = await inRoom();
  const socket = await reconnect(all);
  joined(socket, 'resumed', 13);
  socket.say(message(11));
  socket.say({ type: 'caught_up', room_id: 'general', last_id: 13 });
  assert.equal(socket.last('join').after, 11);
});

test('gap: said aloud, and reading goes on behind it', async () => {
  const all = await inRoom();
  const gaps = record(all.client.subscriptions, 'gap');
  const socket = await reconnect(all);
  joined(socket, 'gap', 52, { first_id: 51, gap: { from: 11, to: 50 } });
  assert.deepEqual(gaps, [{ room_id: 'general', from: 11, to: 50 }]);
  socket.say(message(51));
  socket.say(message(52));
  assert.deepEqual(all.ids, [51, 52]);
});

test('epoch_changed: the application is told to start over, and nothing old counts', async () => {
  const all = await inRoom();
  const resets = record(all.client.subscriptions, 'reset');
  const socket = await reconnect(all);
  joined(socket, 'epoch_changed', 3, { epoch: 'epoch-2' });
  assert.deepEqual(resets, [{ room_id: 'general', epoch: 'epoch-2' }]);
  socket.say(message(4));
  assert.deepEqual(all.ids, [4]);
  const next = await reconnect(all);
  assert.deepEqual([next.last('join').after, next.last('join').epoch], [4, 'epoch-2']);
});

test('a log shorter than what was read of it counts as another log', async () => {
  const all = await inRoom();
  const resets = record(all.client.subscriptions, 'reset');
  joined(await reconnect(all), 'resumed', 4);
  assert.equal(resets.length, 1);
});

test('a room that may not be joined is told once and not asked for again', async () => {
  const all = await setUp();
  const refused = record(all.client.subscriptions, 'refused');
  const answer = all.client.subscriptions.join('secret');
  const socket = await welcome(all.sockets);
  socket.say({ type: 'error', code: 'forbidden', message: 'No', ref: socket.last('join').ref });
  await assert.rejects(answer, { code: 'forbidden' });
  assert.equal(refused[0].room_id, 'secret');
  assert.equal((await reconnect(all)).all('join').length, 0);
});

test('a join refused for now is repeated after the time that was asked for', async () => {
  const all = await setUp();
  all.client.subscriptions.join('general');
  const socket = await welcome(all.sockets);
  socket.say({ type: 'error', code: 'rate_limited', message: 'Slow', retry_after_ms: 1000, ref: socket.last('join').ref });
  await all.clock.advance(999);
  assert.equal(socket.all('join').length, 1);
  await all.clock.advance(1000);
  assert.equal(socket.all('join').length, 2);
});

test('after leave, late events and a late joined are not heard', async () => {
  const { socket, client, ids } = await inRoom();
  client.subscriptions.join('general');
  client.subscriptions.leave('general');
  joined(socket, 'resumed', 10);
  socket.say(message(11));
  assert.deepEqual(ids, []);
  assert.equal(client.subscriptions.has('general'), false);
});

test('leaving and joining again at once ends up in the room', async () => {
  const { socket, client, ids } = await inRoom();
  client.subscriptions.leave('general');
  client.subscriptions.join('general');
  socket.say({ type: 'left', room_id: 'general', ref: socket.last('leave').ref });
  joined(socket, 'fresh', 10);
  socket.say(message(11));
  assert.deepEqual(ids, [11]);
});

test('put out of the room by the server: told, and not joined again', async () => {
  const all = await inRoom();
  const left = record(all.client.subscriptions, 'left');
  all.socket.say({ type: 'left', room_id: 'general' });
  assert.equal(left.length, 1);
  assert.equal((await reconnect(all)).all('join').length, 0);
});

test('rooms do not disturb each other', async () => {
  const { socket, client, ids } = await inRoom();
  client.subscriptions.join('other');
  joined(socket, 'fresh', 100);
  socket.say(message(101, { room_id: 'other' }));
  socket.say(message(11));
  socket.say(message(102, { room_id: 'other' }));
  assert.deepEqual(ids, [101, 11, 102]);
});

test('a question without an answer ends as timeout, and the link with it', async () => {
  const { clock, socket, client } = await inRoom();
  const answer = client.presence('general');
  answer.catch(() => {});
  for (let i = 0; i < 20; i++) {
    socket.say({ type: 'pong' });
    await clock.advance(1000);
  }
  await assert.rejects(answer, { code: 'timeout' });
  assert.notEqual(client.connection.state, 'online');
});

test('what the server says unasked reaches the application', async () => {
  const { socket, client } = await inRoom();
  const ephemeral = record(client, 'ephemeral');
  const errors = record(client, 'error');
  socket.say({ type: 'typing', room_id: 'general', user_id: 'bob', typing: true });
  socket.say({ type: 'error', code: 'rate_limited', message: 'Rate limit exceeded' });
  await settle();
  assert.equal(ephemeral[0].user_id, 'bob');
  assert.equal(errors[0].code, 'rate_limited');
});
