import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfabClient } from '../confab.js';
import { FakeClock, fakeFetch, fakeSockets, record, settle } from './fakes.mjs';

const USER = { user_id: 'alice', display_name: 'Alice', role: 'member' };
const session = (n) => ({ access_token: `A${n}`, token_type: 'Bearer', expires_in: 900, refresh_token: `R${n}`, user: USER });

function setUp(routes, options = {}) {
  const clock = new FakeClock();
  const { sockets, FakeSocket } = fakeSockets();
  const { fetch, calls } = fakeFetch(routes);
  const client = new ConfabClient({ base: 'http://127.0.0.1/', WebSocket: FakeSocket, fetch, clock, random: () => 0.5, ...options });
  return { clock, sockets, client, calls };
}

test('log-in keeps the token and uses it', async () => {
  const { client, calls } = setUp({
    'POST /api/auth/login': () => [200, session(1)],
    'GET /api/me': () => [200, USER],
  });
  await client.session.login('alice', 'secret');
  assert.equal((await client.rest.me()).user_id, 'alice');
  assert.deepEqual(calls[0].body, { username: 'alice', password: 'secret' });
  assert.equal(calls[1].headers.authorization, 'Bearer A1');
});

test('a wrong password is a problem document turned into an error', async () => {
  const { client } = setUp({
    'POST /api/auth/login': () => [401, { title: 'Unauthorized', status: 401, code: 'bad_credentials', detail: 'Wrong' }],
  });
  await assert.rejects(client.session.login('alice', 'x'), { code: 'bad_credentials', message: 'Wrong', status: 401 });
  assert.equal(client.session.signedIn, false);
});

test('the token is renewed before it runs out, with the rotated refresh token each time', async () => {
  let n = 1;
  const { clock, client, calls } = setUp({
    'POST /api/auth/login': () => [200, session(1)],
    'POST /api/auth/refresh': () => [200, session(++n)],
    'GET /api/me': () => [200, USER],
  });
  await client.session.login('alice', 'secret');
  await clock.advance(839_000);
  await client.rest.me();
  await clock.advance(2_000);
  await client.rest.me();
  await clock.advance(900_000);
  await client.rest.me();
  const refreshes = calls.filter(({ path }) => path === '/api/auth/refresh').map(({ body }) => body.refresh_token);
  assert.deepEqual(refreshes, ['R1', 'R2']);
  assert.equal(calls.at(-1).headers.authorization, 'Bearer A3');
});

test('many who find the token expired share one refresh', async () => {
  const { client, calls } = setUp({
    'POST /api/auth/refresh': () => [200, session(2)],
    'GET /api/rooms': () => [200, { items: [], more: false }],
  }, { refresh_token: 'R1' });
  await Promise.all([client.rest.rooms(), client.rest.rooms(), client.rest.rooms()]);
  assert.equal(calls.filter(({ path }) => path === '/api/auth/refresh').length, 1);
});

test('a refused access token is renewed once, then the answer stands', async () => {
  const { client, calls } = setUp({
    'POST /api/auth/login': () => [200, session(1)],
    'POST /api/auth/refresh': () => [200, session(2)],
    'GET /api/me': (_, { headers }) => (headers.authorization === 'Bearer A2' ? [200, USER] : [401, { code: 'auth_failed' }]),
    'GET /api/rooms': () => [401, { code: 'auth_failed' }],
  });
  await client.session.login('alice', 'secret');
  assert.equal((await client.rest.me()).user_id, 'alice');
  await assert.rejects(client.rest.rooms(), { code: 'auth_failed' });
  assert.equal(calls.filter(({ path }) => path === '/api/rooms').length, 2);
});

test('a refused refresh is a sign-out, told once, and stops the connection', async () => {
  const { clock, client } = setUp({
    'POST /api/auth/login': () => [200, session(1)],
    'POST /api/auth/refresh': () => [401, { code: 'session_expired' }],
  });
  await client.session.login('alice', 'secret');
  const out = record(client.session, 'signed_out');
  await clock.advance(900_000);
  await client.start();
  await settle();
  await assert.rejects(client.rest.rooms(), { code: 'signed_out' });
  assert.equal(client.connection.state, 'stopped');
  assert.deepEqual(out, [{ reason: 'expired' }]);
});

test('a server that is away does not sign anybody out', async () => {
  const routes = { 'POST /api/auth/login': () => [200, session(1)] };
  const { clock, client } = setUp(routes);
  await client.session.login('alice', 'secret');
  await clock.advance(900_000);
  await assert.rejects(client.rest.rooms(), { code: 'network' });
  routes['POST /api/auth/refresh'] = () => [503, { code: 'busy' }];
  await assert.rejects(client.rest.rooms(), { code: 'busy' });
  routes['POST /api/auth/refresh'] = () => [429, { code: 'rate_limited' }, { 'retry-after': '3' }];
  await assert.rejects(client.rest.rooms(), { code: 'rate_limited', retry_after_ms: 3000 });
  assert.equal(client.session.signedIn, true);
});

test('with a cookie no refresh token ever comes into the script', async () => {
  const { refresh_token: _, ...cookieSession } = session(1);
  const { client, calls } = setUp({
    'POST /api/auth/refresh': () => [200, cookieSession],
    'POST /api/auth/setup': () => [201, cookieSession],
    'POST /api/auth/login': () => [200, cookieSession],
  }, { cookie: true });
  assert.equal(await client.session.resume(), true);
  await client.session.setup('once', 'root', 'secret');
  await client.session.login('root', 'secret');
  assert.deepEqual(calls.map(({ body }) => body), [
    {}, { setup_token: 'once', username: 'root', password: 'secret', cookie: true }, { username: 'root', password: 'secret', cookie: true },
  ]);
});

test('nobody to resume: false, not an error', async () => {
  const { client } = setUp({ 'POST /api/auth/refresh': () => [401, { code: 'auth_required' }] }, { cookie: true });
  assert.equal(await client.session.resume(), false);
});

test('signing out while a refresh is on its way stays signed out', async () => {
  let answer;
  const { client } = setUp({
    'POST /api/auth/refresh': () => new Promise((resolve) => { answer = () => resolve([200, session(2)]); }),
    'POST /api/auth/logout': () => [204],
  }, { refresh_token: 'R1' });
  const token = client.session.token();
  await settle();
  await client.session.logout();
  answer();
  await assert.rejects(token, { code: 'signed_out' });
  assert.equal(client.session.signedIn, false);
});

test('a revoked connection ends the session', async () => {
  const { sockets, client } = setUp({ 'POST /api/auth/login': () => [200, session(1)] });
  await client.session.login('alice', 'secret');
  const out = record(client.session, 'signed_out');
  await client.start();
  await settle();
  sockets[0].accept();
  sockets[0].hangUp(4500, { code: 'revoked' });
  assert.deepEqual(out, [{ reason: 'revoked' }]);
});
