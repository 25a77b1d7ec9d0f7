/**
 * Pictures of every page, wide and narrow, light and dark: `node screenshots.mjs FOLDER`.
 * The talk in them is made up.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { launchBrowser, PASSWORD, Person, Server, Wire } from './harness.mjs';

const folder = process.argv[2];
if (!folder) {
  console.error('usage: node screenshots.mjs FOLDER');
  process.exit(2);
}

const LOOKS = [
  { name: 'wide-light', viewport: { width: 1280, height: 800 }, colorScheme: 'light' },
  { name: 'wide-dark', viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
  { name: 'narrow-light', viewport: { width: 390, height: 844 }, colorScheme: 'light', hasTouch: true, isMobile: true },
  { name: 'narrow-dark', viewport: { width: 390, height: 844 }, colorScheme: 'dark', hasTouch: true, isMobile: true },
];

const PEOPLE = { ines: 'Ines Duarte', tomasz: 'Tomasz Wolny', mei: 'Mei Tanaka', jonah: 'Jonah' };

const TALK = [
  ['ines', 'Good morning! The kettle is on.'],
  ['tomasz', 'Morning. I am looking at the release notes: is the backup part ready to be read?'],
  ['ines', 'Nearly. I would like somebody to try the steps on a machine that has never seen them, before we call it done.'],
  ['mei', 'I can do that after lunch.'],
  ['mei', 'Is this the right page? https://docs.example.org/backup/first-steps'],
  ['ines', 'That is the one, thank you.', { '🙏': ['mei'] }],
  ['jonah', 'Small thing I noticed while I was at it: after a restore the page asks everybody to sign in again.\nThat surprised me at first, but it is what one wants:\n\n  1. the old tokens are void\n  2. nobody acts on a database that is not there any more'],
  ['tomasz', 'Worth a sentence in the notes. I will write it.', { '👍': ['jonah', 'ines', 'mei'], '🎉': ['ines'] }],
  ['tomasz', 'Done: “After a restore everybody signs in again; nothing else changes for them.”'],
  ['mei', 'Clear and short. 😄'],
  ['ines', 'Then we are good for Thursday. I will send the invitation round.'],
  ['jonah', 'Thursday works. The large room is free from ten.'],
];

async function seed(server) {
  const tokens = { ines: await server.login('ines') };
  await server.api('PATCH', '/api/me', { token: tokens.ines, body: { display_name: PEOPLE.ines } }).catch(() => {});
  for (const [name, display] of Object.entries(PEOPLE).slice(1)) {
    await server.addUser(tokens.ines, name, display);
    tokens[name] = await server.login(name);
  }
  const rooms = [
    ['release', 'Release', 'What goes out on Thursday', 'public'], ['design', 'Design', 'Pictures, words, colours', 'public'],
    ['lunch', 'Lunch', '', 'public'], ['board', 'Board', 'Minutes and decisions', 'private'],
  ];
  for (const [room_id, name, topic, kind] of rooms) {
    await server.api('POST', '/api/rooms', { token: tokens.ines, body: { room_id, name, topic, kind } });
    for (const name of Object.keys(PEOPLE).slice(1)) {
      await server.api('PUT', `/api/rooms/${room_id}/members/${name}`, { token: tokens.ines, body: {} });
    }
  }
  const post = (token, room, message) => server.api('POST', `/api/rooms/${room}/messages`, { token, body: { message } });
  for (const [author, text, reactions = {}] of TALK) {
    const { id } = await post(tokens[author], 'release', text);
    for (const [reaction, by] of Object.entries(reactions)) {
      for (const name of by) {
        await server.api('PUT', `/api/rooms/release/messages/${id}/reactions/${encodeURIComponent(reaction)}`, { token: tokens[name] });
      }
    }
  }
  for (const text of ['Soup or salad?', 'Soup.', 'There is cake as well']) await post(tokens.mei, 'lunch', text);
  await post(tokens.jonah, 'design', 'New icons are in the folder');
}

async function pictures(browser, server, look) {
  const shot = (person, name) => person.page.screenshot({ path: path.join(folder, `${name}-${look.name}.png`) });
  const wire = await Wire.to(server);
  const narrow = look.viewport.width < 720;
  const person = await Person.create(browser, wire.url, look);
  const { page } = person;

  await page.goto(`${wire.url}/setup#example`);
  await page.getByRole('heading', { name: 'Welcome' }).waitFor();
  await shot(person, 'setup');
  await page.goto(wire.url);
  await page.getByLabel('User name').fill('tomasz');
  await shot(person, 'sign-in');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('.badge').first().waitFor();
  if (narrow) await shot(person, 'rooms');

  await person.openRoom(/^Release/);
  await page.getByText('The large room is free').waitFor();
  await page.mouse.move(0, 0); // nothing under the pointer
  await page.waitForTimeout(900);
  await shot(person, 'chat');

  const line = page.locator('.message', { hasText: 'Nearly. I would like' });
  if (narrow) await line.tap();
  else await line.hover();
  await page.getByRole('button', { name: 'React', exact: true }).click();
  await shot(person, 'react');
  if (narrow) {
    await page.getByRole('button', { name: /Show people/ }).click();
    await shot(person, 'people');
    await page.getByRole('button', { name: 'Close people' }).click();
    await page.getByRole('link', { name: 'All rooms' }).click();
  }
  await page.getByRole('button', { name: 'Browse rooms' }).click();
  await page.waitForTimeout(200);
  await shot(person, 'browse');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'New room' }).click();
  await shot(person, 'new-room');
  await page.keyboard.press('Escape');

  if (narrow) await person.openRoom(/^Release/);
  wire.cut();
  await page.getByText('Reconnecting…').waitFor();
  await person.say('Ten it is. I will bring the biscuits.');
  await page.getByText('Waiting to be sent').waitFor();
  await shot(person, 'reconnecting');
  // Nothing of this picture is to be sent into the next one.
  await page.evaluate(() => localStorage.clear());
  await person.context.close();
  await wire.close();
  return person.complaints;
}

await mkdir(folder, { recursive: true });
const server = await Server.create();
const browser = await launchBrowser();
try {
  const first = await Person.create(browser, server.url);
  await first.page.goto(server.url + await server.setupPath());
  await first.page.getByLabel('User name').fill('ines');
  await first.page.getByLabel('Password', { exact: false }).first().fill(PASSWORD);
  await first.page.getByLabel('Password again').fill(PASSWORD);
  await first.page.getByRole('button', { name: 'Create account' }).click();
  await first.page.locator('#app').waitFor();
  await seed(server);
  await first.page.waitForTimeout(500);
  await first.page.reload();
  await first.openRoom(/^Release/);
  for (const look of LOOKS) {
    const complaints = await pictures(browser, server, look);
    console.log(`${look.name}: done${complaints.length ? `, but: ${complaints.join('; ')}` : ''}`);
  }
} finally {
  await browser.close();
  await server.close();
}
