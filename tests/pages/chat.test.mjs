/** Two people, two browsers, one server: what issue reports are made of. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser, PASSWORD, Person, Server, until, Wire } from './harness.mjs';

/** The room that a new server has. */
const GENERAL = /^general\b/i;

let server;
let browser;
let wireA;
let wireB;
let alice;
let bob;

before(async () => {
  server = await Server.create();
  browser = await launchBrowser();
  wireA = await Wire.to(server);
  wireB = await Wire.to(server);
});

after(async () => {
  await browser?.close();
  await wireA?.close();
  await wireB?.close();
  await server?.close();
});

test('the set-up link makes the first admin, and leads into the first room', async () => {
  alice = await Person.create(browser, wireA.url);
  const { page } = alice;
  await page.goto(wireA.url + await server.setupPath());
  await page.getByLabel('User name').fill('alice');
  await page.getByLabel('Password', { exact: false }).first().fill(PASSWORD);
  await page.getByLabel('Password again').fill('something else');
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByRole('alert').filter({ hasText: 'differ' }).waitFor();
  await page.getByLabel('Password again').fill(PASSWORD);
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.locator('#app').waitFor();
  await page.getByRole('heading', { name: GENERAL, level: 1 }).waitFor();
});

test('the set-up link works once', async () => {
  const late = await Person.create(browser, wireB.url);
  await late.page.goto(wireB.url + await server.setupPath());
  await late.page.getByLabel('User name').fill('mallory');
  await late.page.getByLabel('Password', { exact: false }).first().fill(PASSWORD);
  await late.page.getByLabel('Password again').fill(PASSWORD);
  await late.page.getByRole('button', { name: 'Create account' }).click();
  await late.page.getByRole('alert').waitFor();
  await late.context.close();
});

test('tokens stay out of reach of scripts', async () => {
  const stored = await alice.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  assert.doesNotMatch(stored, /v4\.public|refresh|token/i);
  const cookies = await alice.context.cookies();
  assert.ok(cookies.length > 0 && cookies.every((cookie) => cookie.httpOnly && cookie.sameSite === 'Strict'));
});

test('a wrong password is refused, the right one lets a second person in', async () => {
  await server.addUser(await server.login('alice'), 'bob', 'Bob B.');
  bob = await Person.create(browser, wireB.url);
  const { page } = bob;
  await page.goto(bob.url);
  await page.getByLabel('User name').fill('bob');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').filter({ hasText: 'wrong' }).waitFor();
  await bob.signIn('bob');
  await page.getByRole('heading', { name: GENERAL, level: 1 }).waitFor();
});

test('what one says the other reads, as text and nothing else', async () => {
  const nasty = '<img src=x onerror=alert(1)> <b>& "quotes"</b>';
  await alice.say('Hello Bob');
  await bob.say(nasty);
  for (const person of [alice, bob]) {
    const texts = await person.readUntil((all) => all.includes(nasty) && all.includes('Hello Bob'), 'both messages');
    assert.deepEqual(texts.slice(-2), ['Hello Bob', nasty]);
    assert.equal(await person.page.locator('#messages img, #messages b').count(), 0);
  }
});

test('one sees who is here, and who is typing', async () => {
  await alice.page.locator('#people-count').filter({ hasText: '2' }).waitFor();
  await alice.page.locator('#here-list').getByText('Bob B.').waitFor();
  await bob.page.getByRole('textbox', { name: 'Message' }).pressSequentially('hm');
  await alice.page.getByText('Bob B. is typing…').waitFor();
  await bob.page.getByRole('textbox', { name: 'Message' }).fill('');
  await alice.page.getByText('Bob B. is typing…').waitFor({ state: 'detached' }).catch(() => {});
  await until(async () => (await alice.page.locator('#typing').textContent()) === '', 'typing to end');
});

test('one edits and deletes what is one\'s own, and reacts; the other sees it', async () => {
  await alice.say('first draft');
  await bob.readUntil((all) => all.at(-1) === 'first draft', 'the draft');
  await alice.readUntil((all) => all.at(-1) === 'first draft', 'the draft');

  await alice.page.getByRole('textbox', { name: 'Message' }).press('ArrowUp');
  await alice.page.getByLabel('Edit message').fill('second draft');
  await alice.page.getByLabel('Edit message').press('Enter');
  await bob.readUntil((all) => all.at(-1) === 'second draft (edited)', 'the edit');

  const line = bob.page.locator('#messages .message').last();
  await line.hover();
  assert.equal(await line.getByRole('button', { name: 'Edit' }).count(), 0, "somebody else's message has no edit button");
  await line.getByRole('button', { name: 'React', exact: true }).click();
  await line.getByRole('button', { name: 'React with 🎉' }).click();
  const reaction = alice.page.locator('#messages .message').last().getByRole('button', { name: '🎉, 1' });
  await reaction.click();
  await bob.page.locator('#messages .message').last().getByRole('button', { name: '🎉, 2' }).waitFor();
  await alice.page.locator('#messages .message').last().getByRole('button', { name: '🎉, 2' }).click();
  await bob.page.locator('#messages .message').last().getByRole('button', { name: '🎉, 1' }).waitFor();

  const own = alice.page.locator('#messages .message').last();
  await own.hover();
  await own.getByRole('button', { name: 'Delete' }).click();
  await alice.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  for (const person of [alice, bob]) await person.readUntil((all) => !all.some((text) => text.startsWith('second draft')), 'the deletion');
});

test('a room is made, found and joined; what is unread there is counted', async () => {
  await alice.page.getByRole('button', { name: 'New room' }).click();
  const dialog = alice.page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('Tea & Biscuits');
  assert.equal(await dialog.getByLabel('Address').inputValue(), 'tea-biscuits');
  await dialog.getByLabel('Topic').fill('Which dunks best');
  await dialog.getByRole('button', { name: 'Create room' }).click();
  await alice.page.getByRole('heading', { name: 'Tea & Biscuits', level: 1 }).waitFor();

  await bob.page.getByRole('button', { name: 'Browse rooms' }).click();
  await bob.page.getByRole('searchbox').fill('biscuit');
  await bob.page.getByRole('button', { name: 'Join Tea & Biscuits' }).click();
  await bob.page.getByRole('heading', { name: 'Tea & Biscuits', level: 1 }).waitFor();
  await bob.openRoom(GENERAL);

  for (const text of ['Hobnobs', 'Digestives', 'Rich tea']) await alice.say(text);
  await bob.page.getByRole('link', { name: /Tea & Biscuits.*3 unread messages/ }).waitFor();
  await until(async () => (await bob.page.title()).startsWith('(3)'), 'the title to count');
  await bob.openRoom('Tea & Biscuits');
  assert.deepEqual(await bob.readUntil((all) => all.length === 3, 'three messages'), ['Hobnobs', 'Digestives', 'Rich tea']);
  assert.equal(await bob.page.locator('.new-line').count(), 1);
  await bob.page.getByRole('link', { name: /unread/ }).waitFor({ state: 'detached' });
});

test('scrolling up brings older messages without a jump', async () => {
  const token = await server.login('alice');
  for (let i = 1; i <= 110; i++) {
    await server.api('POST', '/api/rooms/general/messages', { token, body: { message: `line ${i}`, client_id: `old-${i}` } });
  }
  await bob.openRoom(GENERAL);
  await bob.page.getByRole('button', { name: '110 new messages' }).click();
  const tokenOfBob = await server.login('bob');
  await until(async () => (await server.api('GET', '/api/rooms/general', { token: tokenOfBob })).unread === 0, 'the read mark');
  await bob.page.reload();
  await bob.readUntil((all) => all.at(-1) === 'line 110', 'the newest page');
  assert.ok((await bob.read()).length < 110, 'not everything is fetched at once');

  // Every frame: is a message that was in view still where the wheel put it?
  const jumps = await bob.page.evaluate(async () => {
    const box = document.getElementById('messages-scroll');
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const inView = () => [...document.querySelectorAll('.message')].find((m) => m.getBoundingClientRect().top > box.getBoundingClientRect().top + 40);
    const found = [];
    for (let step = 0; step < 400; step++) {
      const mark = inView();
      const before = mark.getBoundingClientRect().top;
      const wish = Math.min(60, box.scrollTop);
      box.scrollTop -= wish;
      await frame();
      await frame();
      const moved = mark.getBoundingClientRect().top - before;
      if (Math.abs(moved - wish) > 1.5) found.push({ step, wish, moved });
      if (box.scrollTop === 0 && document.getElementById('messages-top').textContent.startsWith('This is where')) break;
    }
    return found;
  });
  assert.deepEqual(jumps, []);
  const texts = (await bob.read()).filter((text) => text.startsWith('line '));
  assert.deepEqual(texts, Array.from({ length: 110 }, (_, i) => `line ${i + 1}`));

  await alice.openRoom(GENERAL);
  await alice.say('news from below');
  await bob.page.getByRole('button', { name: '1 new message' }).click();
  await bob.readUntil((all) => all.at(-1) === 'news from below', 'the newest');
  await bob.page.getByRole('button', { name: /new message|Jump to newest/ }).waitFor({ state: 'hidden' });
});

test('coming back to a room with much that is new, one begins where it begins', async () => {
  await bob.openRoom(/^Tea/);
  const token = await server.login('alice');
  for (let i = 1; i <= 30; i++) {
    await server.api('POST', '/api/rooms/general/messages', { token, body: { message: `overnight ${i}` } });
  }
  await bob.page.getByRole('link', { name: /^general.*30 unread messages/i }).click();
  await bob.page.locator('.new-line').waitFor();
  const inView = await bob.page.locator('.new-line').evaluate((line) => {
    const box = document.getElementById('messages-scroll').getBoundingClientRect();
    const { top } = line.getBoundingClientRect();
    return top > box.top && top < box.bottom;
  });
  assert.ok(inView, 'the line is in view');
  await bob.page.getByRole('link', { name: /30 unread/ }).waitFor();
  await bob.page.getByRole('button', { name: '30 new messages' }).click();
  await bob.page.getByRole('link', { name: /unread/ }).waitFor({ state: 'detached' });
});

test('away without a network: exactly what was missed comes, in order, none twice', async () => {
  await alice.context.setOffline(true);
  wireA.cut();
  await alice.page.getByText('Reconnecting…').waitFor();
  const missed = Array.from({ length: 30 }, (_, i) => `while you were away ${i + 1}`);
  for (const text of missed) await bob.say(text);
  await bob.readUntil((all) => all.at(-1) === missed.at(-1), 'all to be stored');
  await alice.say('written offline');
  await alice.page.getByText('Waiting to be sent').waitFor();

  wireA.mend();
  await alice.context.setOffline(false);
  const expected = [...missed, 'written offline'];
  for (const person of [alice, bob]) {
    const texts = await person.readUntil((all) => all.includes('written offline'), 'the message written offline');
    assert.deepEqual(texts.slice(texts.indexOf('overnight 30') + 1), expected);
  }
  await alice.page.locator('#banner').waitFor({ state: 'hidden' });
});

test('the server is killed under both and comes back: nothing lost, nothing doubled', async () => {
  const said = [];
  const speak = async (person, name) => {
    for (let i = 1; i <= 12; i++) {
      const text = `${name} ${i}`;
      said.push(text);
      await person.say(text);
      await person.page.waitForTimeout(120);
    }
  };
  const restart = async () => {
    for (let i = 0; i < 2; i++) {
      await new Promise((resolve) => setTimeout(resolve, 350));
      await server.kill('SIGKILL');
      await new Promise((resolve) => setTimeout(resolve, 250));
      await server.start();
    }
  };
  await Promise.all([speak(alice, 'A'), speak(bob, 'B'), restart()]);

  const seen = [];
  for (const person of [alice, bob]) {
    const texts = await person.readUntil((all) => said.every((text) => all.includes(text)), 'everything said');
    seen.push(texts.filter((text) => said.includes(text)));
  }
  assert.deepEqual(seen[0], seen[1], 'both see the same order');
  assert.deepEqual([...seen[0]].sort(), [...said].sort(), 'each once');
  for (const name of ['A', 'B']) {
    assert.deepEqual(seen[0].filter((text) => text.startsWith(name)), said.filter((text) => text.startsWith(name)), 'each in the order it was said');
  }

  await alice.page.reload();
  const anew = await alice.readUntil((all) => said.every((text) => all.includes(text)), 'everything after a reload');
  assert.deepEqual(anew.filter((text) => said.includes(text)), seen[0], 'and the database agrees');
});

test('a tab closed before its message was sent sends it at the next visit, once', async () => {
  wireA.cut();
  await alice.page.getByText('Reconnecting…').waitFor();
  await alice.say('from beyond the tab');
  await alice.page.close();
  wireA.mend();
  alice.page = await alice.context.newPage();
  await alice.page.goto(alice.url);
  for (const person of [alice, bob]) {
    const texts = await person.readUntil((all) => all.includes('from beyond the tab'), 'the kept message');
    assert.equal(texts.filter((text) => text === 'from beyond the tab').length, 1);
  }
});

test('everything can be done by keyboard', async () => {
  const { page } = bob;
  await page.getByRole('textbox', { name: 'Message' }).focus();
  await page.keyboard.type('by hand');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('in two lines');
  await page.keyboard.press('Enter');
  await bob.readUntil((all) => all.at(-1) === 'by hand\nin two lines', 'the two lines');

  await page.locator('#messages-scroll').focus();
  await page.keyboard.press('ArrowUp');
  assert.equal(await page.evaluate(() => document.activeElement.querySelector('.message__text').textContent), 'by hand\nin two lines');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'React');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  await page.locator('#messages .message').last().getByRole('button', { name: '👍, 1' }).waitFor();
});

test('signing out ends the session and shows the door', async () => {
  await bob.page.getByRole('button', { name: 'Sign out' }).click();
  await bob.page.getByRole('heading', { name: 'Sign in to Confab' }).waitFor();
  await bob.page.reload();
  await bob.page.getByRole('heading', { name: 'Sign in to Confab' }).waitFor();
});

test('the browser had nothing to complain of: no script error, nothing refused by the policy', () => {
  assert.deepEqual([...alice.complaints, ...bob.complaints], []);
});
