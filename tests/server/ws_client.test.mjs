/** The server through npm's `ws`, and the classic tutorial client as it stands in every tutorial, apart from its token. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, openSync, closeSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { V4 } from 'paseto';
import WebSocket from 'ws';

const BIN = process.env.CONFAB_BIN ?? 'build/release/confab';
const LIMIT = process.env.CONFAB_TEST_SLOW === '1' ? 90_000 : 15_000;
let server, folder, port, token;

const environment = (extra) => {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CONFAB_')));
  return { ...env, CONFAB_DATA: path.join(folder, 'data'), CONFAB_PORT: '0', CONFAB_RATE_PROFILE: 'unlimited', ...extra };
};

const within = (promise, what) => {
  let timer;
  const limit = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), LIMIT); });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
};

const confab = (args, input = '') => execFileSync(BIN, args, { env: environment(), input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });

before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'confab-node-'));
  const log = openSync(path.join(folder, 'stderr.log'), 'w');
  server = spawn(BIN, ['serve'], { env: environment(), cwd: folder, stdio: ['ignore', 'pipe', log] });
  closeSync(log);
  let output = '';
  port = await within(new Promise((resolve, reject) => {
    server.stdout.on('data', (text) => {
      output += text;
      const found = /listening on http:\/\/\S+:(\d+)/.exec(output);
      if (found) resolve(Number(found[1]));
    });
    server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  }), 'the server to listen');
  confab(['user', 'add', '--no-password', '-'], 'alice\nbob\n');
  token = /v4\.public\.\S+/.exec(confab(['token', 'alice']))[0];
});

after(async () => {
  if (!server) return;
  const gone = new Promise((resolve) => server.once('exit', (code, signal) => resolve(signal ?? code)));
  if (server.exitCode === null) {
    server.kill('SIGTERM');
    const code = await within(gone, 'the server to end').catch((error) => { server.kill('SIGKILL'); throw error; });
    assert.equal(code, 0);
  }
  const log = readFileSync(path.join(folder, 'stderr.log'), 'utf8');
  assert.doesNotMatch(log, /ERROR: (Address|Leak)Sanitizer|runtime error:|WARNING: ThreadSanitizer/);
  rmSync(folder, { recursive: true, force: true });
});

/** A connection whose frames can be awaited one by one. */
class Peer {
  constructor(where = '/ws', options = {}) {
    this.frames = [];
    this.waiting = [];
    this.ws = new WebSocket(`ws://127.0.0.1:${port}${where}`, options.protocols ?? [], options);
    this.ws.on('message', (data, isBinary) => this.#push({ frame: JSON.parse(data), isBinary }));
    this.ws.on('error', () => {}); // the close that follows tells
    this.closed = new Promise((resolve) => this.ws.on('close', (code, reason) => {
      resolve({ code, reason: reason.toString() });
      this.#push({ frame: { type: 'closed', code } });
    }));
  }

  #push(item) {
    const taker = this.waiting.shift();
    if (taker) taker(item); else this.frames.push(item);
  }

  async open() {
    await within(new Promise((resolve, reject) => { this.ws.once('open', resolve); this.ws.once('error', reject); }), 'the handshake');
    return this;
  }

  send(frame, options) { this.ws.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame), options); }

  async next() {
    const item = this.frames.shift() ?? await within(new Promise((resolve) => this.waiting.push(resolve)), 'a frame');
    assert.ok(!item.isBinary, 'the server sends text');
    return item.frame;
  }

  async until(type) {
    for (;;) {
      const frame = await this.next();
      if (frame.type === type) return frame;
      assert.notEqual(frame.type, 'closed', `closed with ${frame.code} before ${type}`);
    }
  }

  async login() {
    await this.open();
    this.send({ type: 'auth', token });
    await this.until('auth_success');
    return this;
  }

  async bye() {
    this.ws.close();
    await within(this.closed, 'the close');
  }
}

test('the classic client of the tutorials works unchanged', async () => {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/ws/chat/general`);
  const received = [];
  const said = new Promise((resolve, reject) => {
    ws.on('open', () => ws.send(JSON.stringify({ type: 'auth', token })));
    ws.on('message', (data) => {
      const message = JSON.parse(data);
      received.push(message);
      if (message.type === 'auth_success') {
        assert.equal(message.user_id, 'alice');
        ws.send(JSON.stringify({ type: 'chat_message', message: 'Hello World' }));
      }
      if (message.type === 'message' && message.data.message === 'Hello World') resolve(message);
    });
    ws.on('error', reject);
    ws.on('close', (code) => reject(new Error(`closed with ${code}`)));
  });
  const message = await within(said, 'Hello World');
  assert.equal(received[0].type, 'auth_success');
  assert.equal(message.data.user_id, 'alice');
  ws.removeAllListeners('close');
  ws.close();
});

test('permessage-deflate is offered and not negotiated', async () => {
  const peer = await new Peer('/ws', { perMessageDeflate: true }).login();
  assert.equal(peer.ws.extensions, '');
  await peer.bye();
});

test('the subprotocol is agreed on', async () => {
  const peer = await new Peer('/ws', { protocols: ['chat.other', 'confab.v1'] }).login();
  assert.equal(peer.ws.protocol, 'confab.v1');
  await peer.bye();
});

test('fragments are joined, with a ping between them', async () => {
  const peer = await new Peer().login();
  const pong = new Promise((resolve) => peer.ws.once('pong', (data) => resolve(data.toString())));
  peer.send('{"type":"pi', { fin: false });
  peer.ws.ping('between');
  peer.send('ng","ref":"fragments"}', { fin: true });
  assert.equal(await within(pong, 'the pong'), 'between');
  assert.equal((await peer.until('pong')).ref, 'fragments');
  await peer.bye();
});

test('a ping is answered with its payload', async () => {
  const peer = await new Peer().login();
  for (const payload of ['', 'x', 'y'.repeat(125)]) {
    const pong = new Promise((resolve) => peer.ws.once('pong', (data) => resolve(data.toString())));
    peer.ws.ping(payload);
    assert.equal(await within(pong, 'the pong'), payload);
  }
  await peer.bye();
});

test('a binary frame closes with 1003', async () => {
  const peer = await new Peer().login();
  peer.send(Buffer.from('{}'), { binary: true });
  assert.equal((await within(peer.closed, 'the close')).code, 1003);
});

test('a frame above the limit closes with 1009', async () => {
  const peer = await new Peer().login();
  peer.send('x'.repeat(20_000));
  assert.equal((await within(peer.closed, 'the close')).code, 1009);
});

test('an unknown room closes with 1008 and says why', async () => {
  const peer = await new Peer('/ws/chat/unknown').open();
  peer.send({ type: 'auth', token });
  const { code, reason } = await within(peer.closed, 'the close');
  assert.equal(code, 1008);
  assert.equal(JSON.parse(reason).code, 'room_not_found');
});

test('a wrong token closes with 1008 and says why', async () => {
  const peer = await new Peer().open();
  peer.send({ type: 'auth', token: 'wrong' });
  const error = await peer.until('error');
  assert.deepEqual([error.code, error.message], ['auth_failed', 'Authentication failed']);
  assert.equal((await within(peer.closed, 'the close')).code, 1008);
});

test('a wrong token in the handshake is answered 401', async () => {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/ws`, { headers: { authorization: 'Bearer wrong' } });
  const status = await within(new Promise((resolve, reject) => {
    ws.on('unexpected-response', (request, response) => { resolve(response.statusCode); request.destroy(); });
    ws.on('open', () => reject(new Error('it was let in')));
    ws.on('error', () => {});
  }), 'the answer');
  assert.equal(status, 401);
});

test('a close of the client is answered with its code', async () => {
  const peer = await new Peer().login();
  peer.ws.close(4999, 'enough');
  assert.equal((await within(peer.closed, 'the close')).code, 4999);
});

test('a hundred messages in one tick come back in order', async () => {
  const peer = await new Peer('/ws/chat/general').login();
  await peer.until('caught_up');
  for (let i = 0; i < 100; i++) peer.send({ type: 'chat_message', message: `burst ${i}` });
  const seen = [];
  while (seen.length < 100) seen.push((await peer.until('message')).data);
  assert.deepEqual(seen.map((m) => m.message), Array.from({ length: 100 }, (_, i) => `burst ${i}`));
  assert.ok(seen.every((m, i) => i === 0 || m.id === seen[i - 1].id + 1));
  await peer.bye();
});

test('an independent PASETO library verifies a token with the published key', async () => {
  const { keys } = await within((await fetch(`http://127.0.0.1:${port}/.well-known/confab-keys.json`)).json(), 'the keys');
  const key = keys.find((k) => k.active);
  assert.equal(key.algorithm, 'v4.public');
  const raw = Buffer.from(key.public_key.replace('k4.public.', ''), 'base64url');
  const { payload, footer } = await V4.verify(token, V4.bytesToKeyObject(raw), { complete: true });
  assert.equal(payload.sub, 'alice');
  assert.equal(payload.role, 'member');
  assert.ok(Date.parse(payload.exp) > Date.now());
  assert.equal(JSON.parse(footer.toString()).kid, key.kid);
  const forged = `${token.slice(0, -60)}${token.at(-60) === 'A' ? 'B' : 'A'}${token.slice(-59)}`;
  await assert.rejects(V4.verify(forged, V4.bytesToKeyObject(raw)));
});
