import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfabClient, memoryStorage, uuid } from '../confab.js';
import { advanceUntil, FakeClock, fakeSockets, joined, message, reconnect, record, settle, welcome } from './fakes.mjs';

async function setUp({ storage } = {}) {
  const clock = new FakeClock();
  const { sockets, FakeSocket } = fakeSockets();
  const client = new ConfabClient({
    base: 'http://127.0.0.1', access_token: 'T', WebSocket: FakeSocket, clock, random: () => 0.5, storage,
    fetch: async () => { throw new TypeError('no network in this test'); },
  });
  client.session.user = { user_id: 'alice', display_name: 'Alice', role: 'member' };
  await client.start();
  return { clock, sockets, client, socket: await welcome(sockets) };
}

function ack(socket, command, more = {}) {
  const { room_id, client_id, ref } = command;
  socket.say({ type: 'ack', room_id, client_id, id: 11, timestamp: '2026-11-24T08:00:00.000Z', duplicate: false, ref, ...more });
}

const refuse = (socket, { ref, client_id }, code, more = {}) => {
  socket.say({ type: 'error', code, message: code, client_id, ref, ...more });
};

test('a message goes out with a client_id and is settled by its ack', async () => {
  const { socket, client } = await setUp();
  const { client_id, done } = client.outbox.send('general', 'hello');
  const command = socket.last('chat_message');
  assert.equal(command.message, 'hello');
  assert.equal(command.client_id, client_id);
  assert.match(client_id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  ack(socket, command);
  assert.equal((await done).id, 11);
  assert.deepEqual(client.outbox.pending(), []);
});

test('an unacknowledged message is sent again after reconnect, under the same client_id', async () => {
  const all = await setUp();
  const { client_id, done } = all.client.outbox.send('general', 'hello');
  const socket = await reconnect(all);
  assert.equal(socket.all('chat_message').length, 1);
  assert.equal(socket.last('chat_message').client_id, client_id);
  ack(socket, socket.last('chat_message'), { duplicate: true, id: 9 });
  const answer = await done;
  assert.deepEqual([answer.id, answer.duplicate], [9, true]);
});

test('order holds: the second waits for the first, across a reconnect', async () => {
  const all = await setUp();
  for (const text of ['one', 'two', 'three']) all.client.outbox.send('general', text);
  assert.deepEqual(all.socket.all('chat_message').map((c) => c.message), ['one']);
  const socket = await reconnect(all);
  for (const text of ['one', 'two', 'three']) {
    assert.equal(socket.last('chat_message').message, text);
    ack(socket, socket.last('chat_message'));
  }
  assert.equal(socket.all('chat_message').length, 3);
});

test('a room that waits does not hold up another', async () => {
  const { socket, client } = await setUp();
  client.outbox.send('general', 'one');
  client.outbox.send('other', 'two');
  assert.equal(socket.all('chat_message').length, 2);
});

test('written offline: kept, and sent once when there is a link, rooms joined first', async () => {
  const all = await setUp();
  all.client.subscriptions.join('general');
  joined(all.socket, 'fresh', 10);
  all.socket.hangUp();
  all.client.outbox.send('general', 'written offline');
  await advanceUntil(all.clock, () => all.sockets.length === 2);
  const socket = await welcome(all.sockets);
  assert.deepEqual(socket.sent.map(({ type }) => type), ['auth', 'join', 'chat_message']);
});

test('rate_limited delays everything for the time that was asked, and keeps the order', async () => {
  const { clock, socket, client } = await setUp();
  client.outbox.send('general', 'one');
  client.outbox.send('general', 'two');
  refuse(socket, socket.last('chat_message'), 'rate_limited', { retry_after_ms: 1200 });
  client.outbox.send('other', 'three');
  await clock.advance(1199);
  assert.equal(socket.all('chat_message').length, 1);
  await clock.advance(1);
  assert.deepEqual(socket.all('chat_message').map((c) => c.message), ['one', 'one', 'three']);
  assert.equal(new Set(socket.all('chat_message').map((c) => c.client_id)).size, 2);
});

test('a permanent refusal fails that message alone; it stays for retry or discard', async () => {
  const { socket, client } = await setUp();
  const failed = record(client.outbox, 'failed');
  const first = client.outbox.send('general', 'one');
  client.outbox.send('general', 'two');
  refuse(socket, socket.last('chat_message'), 'room_archived');
  await assert.rejects(first.done, { code: 'room_archived' });
  assert.equal(failed[0].entry.client_id, first.client_id);
  assert.equal(socket.last('chat_message').message, 'two');
  ack(socket, socket.last('chat_message'));

  client.outbox.retry(first.client_id);
  assert.equal(socket.last('chat_message').client_id, first.client_id);
  refuse(socket, socket.last('chat_message'), 'room_archived');
  client.outbox.discard(first.client_id);
  assert.deepEqual(client.outbox.pending(), []);
});

test('a server that fails on one message for ever does not hold up the next', async () => {
  const { clock, socket, client } = await setUp();
  const { done } = client.outbox.send('general', 'poison');
  client.outbox.send('general', 'fine');
  const sent = () => socket.all('chat_message').length;
  for (let i = 1; i <= 6; i++) {
    refuse(socket, socket.last('chat_message'), 'internal');
    await advanceUntil(clock, () => sent() > i, { each: () => socket.say({ type: 'pong' }) });
  }
  await assert.rejects(done, { code: 'internal' });
  assert.equal(socket.last('chat_message').message, 'fine');
});

test('busy is not a reason to give up', async () => {
  const { clock, socket, client } = await setUp();
  client.outbox.send('general', 'patient');
  const sent = () => socket.all('chat_message').length;
  for (let i = 1; i <= 20; i++) {
    refuse(socket, socket.last('chat_message'), 'busy');
    await advanceUntil(clock, () => sent() > i, { each: () => socket.say({ type: 'pong' }) });
  }
  assert.equal(client.outbox.pending()[0].state, 'sending');
});

test('too long a message fails here, before it costs the connection', async () => {
  const { socket, client } = await setUp();
  const { done } = client.outbox.send('general', 'ä'.repeat(9_000));
  await assert.rejects(done, { code: 'too_large' });
  assert.equal(socket.all('chat_message').length, 0);
});

test("one's own event settles the message though the ack was lost", async () => {
  const { socket, client } = await setUp();
  client.subscriptions.join('general');
  joined(socket, 'fresh', 10);
  const { client_id, done } = client.outbox.send('general', 'hello');
  client.outbox.send('general', 'next');
  socket.say(message(11, { user_id: 'bob', client_id })); // somebody else's key is not ours
  assert.equal(client.outbox.pending().length, 2);
  socket.say(message(12, { user_id: 'alice', client_id }));
  assert.equal((await done).id, 12);
  assert.equal(socket.last('chat_message').message, 'next');
  ack(socket, socket.all('chat_message')[0], { id: 12 }); // the ack after all: nothing more happens
  assert.equal(client.outbox.pending().length, 1);
});

test('a storage carries the outbox over to the next run, in order', async () => {
  const storage = memoryStorage();
  const first = await setUp({ storage });
  const keys = ['one', 'two'].map((text) => first.client.outbox.send('general', text).client_id);
  first.client.stop();

  const second = await setUp({ storage: { ...storage, list: async () => JSON.parse(JSON.stringify(storage.list())) } });
  second.client.outbox.send('general', 'three');
  for (const [index, text] of ['one', 'two', 'three'].entries()) {
    const command = second.socket.last('chat_message');
    assert.equal(command.message, text);
    if (index < 2) assert.equal(command.client_id, keys[index]);
    ack(second.socket, command, { duplicate: index === 0 });
  }
  assert.deepEqual(storage.list(), []);
});

test('edits and deletions are sent once as well', async () => {
  const all = await setUp();
  all.client.outbox.edit('general', 7, 'better');
  all.client.outbox.delete('general', 8);
  const { client_id, id } = all.socket.last('edit_message');
  assert.equal(id, 7);
  const socket = await reconnect(all);
  assert.equal(socket.last('edit_message').client_id, client_id);
  ack(socket, socket.last('edit_message'));
  assert.equal(socket.last('delete_message').id, 8);
});

test('no answer to a message: the link is given up, and the message goes over the next one', async () => {
  const all = await setUp();
  const { client_id } = all.client.outbox.send('general', 'hello');
  for (let i = 0; i < 20; i++) {
    all.socket.say({ type: 'pong' });
    await all.clock.advance(1000);
  }
  await all.clock.advance(1000);
  const socket = await welcome(all.sockets);
  assert.notEqual(socket, all.socket);
  assert.equal(socket.last('chat_message').client_id, client_id);
  await settle();
});

test('client ids are UUIDs version 7: they sort by the time they were made', () => {
  const early = uuid(0x0123456789ab);
  assert.match(early, /^01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.ok(early < uuid(0x0123456789ac));
  assert.notEqual(uuid(1), uuid(1));
  assert.ok(Number.parseInt(uuid().replaceAll('-', '').slice(0, 12), 16) > 1_700_000_000_000);
});
