import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../backoff.js';
import { Connection } from '../connection.js';
import { ConfabError } from '../errors.js';
import { FakeClock, fakeSockets, record, settle, welcome } from './fakes.mjs';

function setUp({ getToken = async () => 'T', random = () => 0.5 } = {}) {
  const clock = new FakeClock();
  const { sockets, FakeSocket } = fakeSockets();
  const asked = [];
  const connection = new Connection({
    url: 'ws://127.0.0.1/ws', WebSocket: FakeSocket, clock, random,
    getToken: (ask) => {
      asked.push(ask);
      return getToken(ask);
    },
  });
  const states = record(connection, 'state');
  return { clock, sockets, connection, states, asked };
}

test('goes online through connecting and authenticating, the token in the first frame only', async () => {
  const { sockets, connection, states } = setUp();
  connection.start();
  const socket = await welcome(sockets);
  assert.deepEqual(states.map(({ state }) => state), ['connecting', 'authenticating', 'online']);
  assert.deepEqual(socket.sent, [{ type: 'auth', token: 'T' }]);
  assert.equal(socket.protocol, 'confab.v1');
  assert.ok(!socket.url.includes('T='));
});

test('back-off: full jitter between nothing and a ceiling that doubles up to a cap', () => {
  for (const r of [0, 0.25, 0.999]) {
    const backoff = new Backoff({ base_ms: 500, cap_ms: 30_000, random: () => r });
    const waits = Array.from({ length: 12 }, () => backoff.next());
    const ceilings = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000, 30_000];
    assert.deepEqual(waits, ceilings.map((ceiling) => ceiling * r));
  }
});

test('back-off: what the server asks for is a least, with jitter on top', () => {
  const backoff = new Backoff({ base_ms: 500, random: () => 0.5 });
  assert.equal(backoff.next(1800), 2050);
});

test('waits longer after each failure, and does not try before the time', async () => {
  const { clock, sockets, connection } = setUp({ random: () => 1 });
  connection.start();
  await settle();
  for (const [index, wait] of [500, 1000, 2000, 4000].entries()) {
    sockets.at(-1).hangUp();
    assert.equal(connection.state, 'waiting');
    await clock.advance(wait - 1);
    assert.equal(sockets.length, index + 1);
    await clock.advance(1);
    assert.equal(sockets.length, index + 2);
  }
});

test('an accept-then-close server is not hammered: back-off starts over only after a stable while', async () => {
  const { clock, sockets, connection, states } = setUp({ random: () => 1 });
  connection.start();
  (await welcome(sockets)).hangUp();
  await clock.advance(500);
  (await welcome(sockets)).hangUp();
  assert.equal(states.at(-1).retry_in_ms, 1000);
  await clock.advance(1000);
  const socket = await welcome(sockets);
  await clock.advance(10_000);
  socket.hangUp();
  assert.equal(states.at(-1).retry_in_ms, 500);
});

test('retry_after_ms of a close reason is honoured', async () => {
  const { clock, sockets, connection } = setUp({ random: () => 0 });
  connection.start();
  (await welcome(sockets)).hangUp(1001, { code: 'shutting_down', retry_after_ms: 1800 });
  await clock.advance(1799);
  assert.equal(sockets.length, 1);
  await clock.advance(1);
  assert.equal(sockets.length, 2);
});

for (const code of [4500, 4501, 4502, 4999]) {
  test(`close code ${code} is the end`, async () => {
    const { clock, sockets, connection } = setUp();
    const ended = record(connection, 'ended');
    connection.start();
    (await welcome(sockets)).hangUp(code, { code: 'removed' });
    await clock.advance(3_600_000);
    assert.equal(sockets.length, 1);
    assert.equal(connection.state, 'stopped');
    assert.equal(ended[0].close_code, code);
    assert.equal(ended[0].code, 'removed');
  });
}

for (const code of [1001, 1006, 1011, 1013, 4000, 4001, 4499]) {
  test(`close code ${code} is a reason to come back`, async () => {
    const { clock, sockets, connection } = setUp();
    connection.start();
    (await welcome(sockets)).hangUp(code);
    assert.equal(connection.state, 'waiting');
    await clock.advance(500);
    assert.equal(sockets.length, 2);
  });
}

test('a refused token is renewed once and at once; a second refusal is a sign-out', async () => {
  const { sockets, connection, asked } = setUp();
  const ended = record(connection, 'ended');
  connection.start();
  for (let i = 0; i < 2; i++) {
    await settle();
    sockets.at(-1).accept();
    sockets.at(-1).say({ type: 'error', code: 'auth_failed', message: 'Authentication failed' });
    sockets.at(-1).hangUp(1008);
  }
  await settle();
  assert.deepEqual(asked, [{ fresh: false }, { fresh: true }]);
  assert.equal(sockets.length, 2);
  assert.equal(ended[0].code, 'signed_out');
});

test('a server that says 1008 after every log-in is not a loop', async () => {
  const { sockets, connection } = setUp();
  const ended = record(connection, 'ended');
  connection.start();
  (await welcome(sockets)).hangUp(1008);
  (await welcome(sockets)).hangUp(1008);
  await settle();
  assert.equal(sockets.length, 2);
  assert.equal(ended.length, 1);
});

test('no token to be had: signed out; server not reachable: later', async () => {
  const away = setUp({ getToken: async () => { throw new ConfabError('network'); } });
  away.connection.start();
  await settle();
  assert.equal(away.connection.state, 'waiting');

  const out = setUp({ getToken: async () => { throw new ConfabError('signed_out'); } });
  const ended = record(out.connection, 'ended');
  out.connection.start();
  await settle();
  assert.equal(out.connection.state, 'stopped');
  assert.equal(ended[0].code, 'signed_out');
});

test('a silent link is asked, and taken for dead when nothing comes', async () => {
  const { clock, sockets, connection } = setUp();
  const down = record(connection, 'down');
  connection.start();
  const socket = await welcome(sockets);
  await clock.advance(29_999);
  assert.equal(socket.all('ping').length, 0);
  await clock.advance(1);
  assert.equal(socket.all('ping').length, 1);
  await clock.advance(10_000);
  assert.equal(down[0].reason, 'no_pong');
  assert.ok(socket.closed);
  assert.equal(connection.state, 'waiting');
});

test('a pong, or any other frame, keeps the link', async () => {
  const { clock, sockets, connection } = setUp();
  connection.start();
  const socket = await welcome(sockets);
  await clock.advance(30_000);
  await clock.advance(1);
  socket.say({ type: 'pong' });
  await clock.advance(20_000);
  socket.say({ type: 'typing', room_id: 'general' });
  await clock.advance(29_000);
  assert.equal(connection.state, 'online');
  assert.equal(socket.all('ping').length, 1);
});

test('check() finds out within seconds that a link died while the computer slept', async () => {
  const { clock, sockets, connection } = setUp();
  connection.start();
  await welcome(sockets);
  await clock.advance(100);
  connection.check(4_000);
  await clock.advance(4_000);
  assert.equal(connection.state, 'waiting');
  connection.wake();
  await settle();
  assert.equal(sockets.length, 2);
});

test('a handshake or a log-in that hangs is given up', async () => {
  const { clock, sockets, connection } = setUp();
  connection.start();
  await settle();
  await clock.advance(15_000);
  assert.equal(connection.state, 'waiting');
  await clock.advance(500);
  sockets.at(-1).accept();
  await clock.advance(15_000);
  assert.equal(connection.state, 'waiting');
});

test('what an abandoned socket still says is not heard', async () => {
  const { clock, sockets, connection } = setUp();
  const frames = record(connection, 'frame');
  connection.start();
  const old = await welcome(sockets);
  connection.drop('test');
  await clock.advance(1_000);
  await welcome(sockets);
  old.say({ type: 'message' });
  old.hangUp(4500);
  assert.equal(frames.length, 0);
  assert.equal(connection.state, 'online');
});

test('stop() leaves no timer behind, at any point', async () => {
  const { clock, sockets, connection } = setUp();
  connection.start();
  connection.stop();
  await settle();
  assert.equal(sockets.length, 0);
  connection.start();
  await welcome(sockets);
  connection.stop();
  assert.equal(clock.pending, 0);
  connection.start();
  await settle();
  sockets.at(-1).hangUp();
  connection.stop();
  assert.equal(clock.pending, 0);
});

test('a listener that stops the connection as it goes down is obeyed', async () => {
  const { clock, sockets, connection } = setUp();
  connection.on('down', () => connection.stop());
  connection.start();
  (await welcome(sockets)).hangUp();
  await clock.advance(60_000);
  assert.equal(connection.state, 'stopped');
  assert.equal(sockets.length, 1);
});

test('a frame that is not JSON breaks the link, not the page', async () => {
  const { sockets, connection } = setUp();
  connection.start();
  (await welcome(sockets)).raw('{"type":');
  assert.equal(connection.state, 'waiting');
});
