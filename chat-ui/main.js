/** The chat page: signs in, builds the parts, and follows the address. */
import { ConfabClient } from './confab.js';
import { BrowseDialog, confirm, CreateDialog } from './dialogs.js';
import { byId, paintFace, soon } from './dom.js';
import { ChatModel } from './model.js';
import { outboxStorage } from './outbox-storage.js';
import { BannerView } from './view-banner.js';
import { ComposerView } from './view-composer.js';
import { signIn } from './view-login.js';
import { MessagesView } from './view-messages.js';
import { RoomView } from './view-room.js';
import { RoomsView } from './view-rooms.js';

const NOTICE = 'confab.notice';
const LAST_ROOM = 'confab.room';
const RESUME_RETRY_MS = 2_000;

/** @type {ConfabClient} */
const client = new ConfabClient({
  base: location.origin,
  cookie: true,
  storage: outboxStorage(() => client.session.user?.user_id),
});

await enter();
startChat();

/** Until somebody is signed in. */
async function enter() {
  const notice = sessionStorage.getItem(NOTICE);
  sessionStorage.removeItem(NOTICE);
  while (!client.session.signedIn) {
    try {
      const resumed = await client.session.resume();
      byId('unreachable').hidden = true;
      if (!resumed) await signIn(client.session, notice);
    } catch {
      byId('unreachable').hidden = false;
      await new Promise((resolve) => setTimeout(resolve, RESUME_RETRY_MS));
    }
  }
}

function startChat() {
  const model = new ChatModel(client, soon);
  new RoomsView(model);
  new RoomView(model, confirm);
  new BannerView(client);
  new BrowseDialog(model);
  new CreateDialog(model);
  const messages = new MessagesView(model, confirm);
  new ComposerView(model, { sent: () => messages.scroll.toEnd(), editLast: () => messages.editLast() });

  byId('my-name').textContent = model.me.display_name || model.me.user_id;
  paintFace(byId('my-face'), model.me.user_id, model.me.display_name || model.me.user_id);
  byId('sign-out').addEventListener('click', () => signOut());
  client.session.on('signed_out', (/** @type {{reason: string}} */ { reason }) => leave(reason));

  byId('app').hidden = false;
  followAddress(model);
  watchTheWorld(model);
  client.start();
}

/** `#general` names the open room; on a phone, no name is the list of rooms. @param {ChatModel} model */
function followAddress(model) {
  const follow = () => {
    const named = decodeURIComponent(location.hash.slice(1));
    byId('app').dataset.screen = named ? 'room' : 'rooms';
    if (named) localStorage.setItem(LAST_ROOM, named);
    model.open(named || null);
  };
  const choose = () => {
    if (model.activeId !== null || !model.ready || matchMedia('(max-width: 720px)').matches) return;
    const own = [...model.rooms.values()].filter((room) => room.member);
    const room = own.find(({ id }) => id === localStorage.getItem(LAST_ROOM)) ?? own[0];
    if (!room) return;
    history.replaceState(null, '', `#${room.id}`);
    follow();
  };
  addEventListener('hashchange', () => {
    follow();
    choose();
  });
  follow();
  // The list comes only now: open what the address named, or something sensible.
  const off = model.on('rooms', () => {
    if (!model.ready) return;
    off();
    if (model.activeId !== null) model.open(model.activeId);
    else choose();
  });
}

/** What the browser notices before the connection does. @param {ChatModel} model */
function watchTheWorld(model) {
  addEventListener('online', () => client.connection.check());
  addEventListener('offline', () => client.connection.check());
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return;
    client.connection.check();
    if (client.connection.online) model.refreshRooms();
  });
}

async function signOut() {
  const waiting = client.outbox.pending().length;
  if (waiting > 0 && !await confirm({
    title: 'Sign out?', yes: 'Sign out', text: 'Something you wrote has not been sent yet. It will be lost.',
  })) return;
  client.outbox.clear();
  await client.session.logout();
}

/** A new page load is the surest way to leave nothing of one person for the next. @param {string} reason */
function leave(reason) {
  if (reason !== 'logout') sessionStorage.setItem(NOTICE, 'Your session has ended. Please sign in again.');
  location.reload();
}
