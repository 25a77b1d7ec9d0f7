/** Starts the server under test, cuts its wires, and drives pages in Chromium. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BIN = path.resolve(ROOT, process.env.CONFAB_BIN ?? 'build/confab');
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const HOST = '127.0.0.1';

export const PASSWORD = 'correct horse battery';

async function freePort() {
  const probe = net.createServer();
  await new Promise((resolve) => probe.listen(0, HOST, resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** @param {() => Promise<any>} attempt until it gives something */
export async function until(attempt, what, ms = 15_000) {
  const end = Date.now() + ms;
  for (;;) {
    const result = await attempt().catch(() => null);
    if (result) return result;
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A server on a database of its own, which survives `kill` and `start`. */
export class Server {
  static async create(env = {}) {
    const server = new Server();
    server.data = await mkdtemp(path.join(os.tmpdir(), 'confab-pages-'));
    server.port = await freePort();
    server.env = env;
    server.output = '';
    await server.start();
    return server;
  }

  get url() {
    return `http://${HOST}:${this.port}`;
  }

  async start() {
    const child = spawn(BIN, ['serve'], {
      cwd: this.data,
      // The tests write faster than people may. CONFAB_RATE_PROFILE=default runs them slowly, under everyday limits.
      env: { CONFAB_RATE_PROFILE: 'unlimited', ...process.env, CONFAB_DATA: this.data, CONFAB_PORT: String(this.port), ...this.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    this.log = '';
    child.stdout.on('data', (text) => (this.output += text));
    child.stderr.on('data', (text) => (this.log += text));
    this.gone = new Promise((resolve) => {
      child.once('exit', resolve);
      child.once('error', (error) => resolve(this.log += error));
    });
    const ready = until(async () => (await fetch(`${this.url}/ready`)).ok, 'the server to be ready');
    const failed = this.gone.then(() => { throw new Error('the server ended'); });
    failed.catch(() => {}); // once it is ready, it may end
    await Promise.race([ready, failed]).catch((error) => {
      throw new Error(`${error.message}; it said:\n${this.log}`);
    });
  }

  /** The path of the one-time link that the first start printed. */
  async setupPath() {
    return until(async () => /\/setup#\S+/.exec(this.output)?.[0], 'the set-up link');
  }

  async kill(signal = 'SIGKILL') {
    this.child.kill(signal);
    await this.gone;
  }

  async close() {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.kill('SIGKILL');
    await rm(this.data, { recursive: true, force: true });
  }

  /** The API as a program uses it. */
  async api(method, pathname, { token, body } = {}) {
    const response = await fetch(this.url + pathname, {
      method,
      headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (response.status === 429) {
      await new Promise((resolve) => setTimeout(resolve, JSON.parse(text).retry_after_ms));
      return this.api(method, pathname, { token, body });
    }
    if (!response.ok) throw new Error(`${method} ${pathname}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  async login(username, password = PASSWORD) {
    return (await this.api('POST', '/api/auth/login', { body: { username, password } })).access_token;
  }

  async addUser(admin, username, display_name) {
    await this.api('POST', '/api/users', { token: admin, body: { username, password: PASSWORD, display_name } });
  }
}

/** A wire between one person and the server, which can really be cut. */
export class Wire {
  static async to(server) {
    const wire = new Wire();
    wire.sockets = new Set();
    wire.cutOff = false;
    wire.listener = net.createServer((near) => {
      if (wire.cutOff) return near.destroy();
      const far = net.connect(server.port, HOST);
      for (const [from, into] of [[near, far], [far, near]]) {
        wire.sockets.add(from);
        from.on('close', () => {
          wire.sockets.delete(from);
          into.destroy();
        });
        from.on('error', () => into.destroy());
        from.pipe(into);
      }
    });
    await new Promise((resolve) => wire.listener.listen(0, HOST, resolve));
    return wire;
  }

  get url() {
    return `http://${HOST}:${this.listener.address().port}`;
  }

  cut() {
    this.cutOff = true;
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  mend() {
    this.cutOff = false;
  }

  async close() {
    this.cut();
    await new Promise((resolve) => this.listener.close(resolve));
  }
}

export function launchBrowser() {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** One person in a browser context of their own. */
export class Person {
  /**
   * @param {import('playwright-core').Browser} browser
   * @param {string} url
   * @param {object} [options] for the context
   */
  static async create(browser, url, options = {}) {
    const person = new Person();
    person.url = url;
    person.context = await browser.newContext({ locale: 'en-GB', ...options });
    person.page = await person.context.newPage();
    person.page.setDefaultTimeout(15_000);
    /** What a browser complains of: script errors, and whatever the content security policy refused. */
    person.complaints = [];
    person.page.on('pageerror', (error) => person.complaints.push(String(error)));
    person.page.on('console', (message) => {
      if (message.type() === 'error' && !/Failed to load resource|WebSocket connection|ERR_/.test(message.text())) {
        person.complaints.push(message.text());
      }
    });
    return person;
  }

  async signIn(username, password = PASSWORD) {
    await this.page.goto(this.url);
    await this.page.getByLabel('User name').fill(username);
    await this.page.getByLabel('Password').fill(password);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
    await this.page.locator('#app').waitFor();
  }

  /** @param {string|RegExp} name */
  async openRoom(name) {
    await this.page.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name }).click();
    await this.page.getByRole('heading', { name, level: 1 }).waitFor();
  }

  async say(text) {
    const field = this.page.getByRole('textbox', { name: 'Message' });
    await field.fill(text);
    await field.press('Enter');
  }

  /** The texts on the screen, from the top. */
  async read() {
    return this.page.locator('#messages .message__text').allTextContents();
  }

  /** Only what is stored, not what is on its way. */
  async readStored() {
    return this.page.locator('#messages .message[data-state="stored"] .message__text').allTextContents();
  }

  async readUntil(done, what) {
    let texts = [];
    await until(async () => done(texts = await this.readStored()), what, 60_000)
      .catch((error) => { throw new Error(`${error.message}; on the screen: ${JSON.stringify(texts)}`); });
    return texts;
  }
}
