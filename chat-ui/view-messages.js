import { byId, say } from './dom.js';
import { counted } from './format.js';
import { layOut, sameLine } from './message-list.js';
import { LineNode } from './message-node.js';
import { MessageTools } from './message-tools.js';
import { ScrollKeeper } from './scroll.js';

/** Older messages are asked for before the reader gets to the top. */
const AHEAD_SCREENS = 2;

/** The conversation: draws the open room's messages, keeps the reader's place, asks for older ones. */
export class MessagesView {
  /** @type {Map<string, LineNode>} what is in the DOM, by key */
  #nodes = new Map();
  /** @type {import('./room-state.js').RoomState|undefined} */
  #room;
  /** id of the newest message when the reader scrolled away from it */
  #leftAt = 0;
  /** Whether the place to begin reading at has been found. */
  #placed = false;

  /**
   * @param {import('./model.js').ChatModel} model
   * @param {(question: {title: string, text: string, yes: string}) => Promise<boolean>} confirm
   */
  constructor(model, confirm) {
    this.model = model;
    this.confirm = confirm;
    this.list = byId('messages');
    this.top = byId('messages-top');
    this.empty = byId('messages-empty');
    this.jump = byId('jump');
    this.scroll = new ScrollKeeper(byId('messages-scroll'), this.list, () => this.#moved());
    const react = (/** @type {any} */ message, /** @type {any} */ reaction) => {
      if (this.#room && message.id) this.model.toggleReaction(this.#room, message.id, reaction);
    };
    this.actions = {
      react,
      retry: (/** @type {any} */ entry) => model.client.outbox.retry(entry.client_id),
      discard: (/** @type {any} */ entry) => model.client.outbox.discard(entry.client_id),
    };
    this.tools = new MessageTools({
      react,
      allowed: (line) => this.#allowed(line),
      edit: (line) => this.edit(line),
      remove: (line) => this.#remove(line),
    });
    this.#listen();
  }

  #listen() {
    this.model.on('opened', () => this.#open());
    this.model.on('room', ({ room }) => {
      // Let in, or put out, while it is open.
      if (room === this.model.active && (room === this.#room) !== room.member) this.#open();
    });
    this.model.on('messages', ({ room }) => room === this.#room && this.#draw());
    this.jump.addEventListener('click', () => {
      this.scroll.toEnd();
      this.#moved();
    });
    this.list.addEventListener('pointerover', (/** @type {PointerEvent} */ event) => {
      if (event.pointerType === 'mouse') this.tools.show(this.#lineOf(event.target));
    });
    this.list.addEventListener('pointerleave', () => {
      if (!this.list.contains(document.activeElement)) this.tools.hide();
    });
    this.list.addEventListener('click', (/** @type {MouseEvent} */ event) => this.tools.show(this.#lineOf(event.target)));
    this.list.addEventListener('focusin', (/** @type {FocusEvent} */ event) => this.tools.show(this.#lineOf(event.target)));
    this.list.addEventListener('focusout', (/** @type {FocusEvent} */ event) => {
      if (!this.list.contains(/** @type {Node|null} */ (event.relatedTarget))) this.tools.hide();
    });
    byId('messages-scroll').addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => this.#keys(event));
    document.addEventListener('visibilitychange', () => {
      if (document.hidden && this.#room && this.scroll.following) this.model.lookedAway(this.#room);
      this.#reportSeen();
    });
    window.addEventListener('focus', () => this.#reportSeen());
  }

  /** Opens the editor on one's own newest message. */
  editLast() {
    const own = [...this.#nodes.values()].reverse().find(({ line }) => line.kind === 'message' && this.#allowed(line).edit
      && line.message.user_id === this.model.me.user_id);
    if (own) this.edit(own);
  }

  /** @param {LineNode} line */
  edit(line) {
    const room = this.#room;
    if (!room) return;
    line.node.scrollIntoView({ block: 'nearest' });
    line.edit((text) => this.model.client.outbox.edit(room.id, line.line.message.id, text));
  }

  #open() {
    this.#room = this.model.active?.member ? this.model.active : undefined;
    this.tools.hide();
    this.list.replaceChildren();
    this.#nodes.clear();
    this.scroll.following = true;
    this.#placed = false;
    this.#draw();
  }

  #draw() {
    const room = this.#room;
    if (!room) {
      say(this.top, null);
      say(this.empty, null);
      this.jump.hidden = true;
      return;
    }
    const lines = layOut({
      messages: room.timeline.messages, pending: this.model.pending(room), newAfter: room.newAfter,
      me: this.model.me.user_id, nameOf: (id) => this.model.nameOf(id),
    });
    this.scroll.box.setAttribute('aria-busy', String(room.loaded === 'loading' || room.loadingOlder));
    this.scroll.keep(() => {
      say(this.top, this.#topText(room, lines.length));
      say(this.empty, room.loaded === 'yes' && lines.length === 0 ? 'Nothing has been said here yet.' : null);
      this.#reconcile(lines);
    });
    if (room.loaded === 'yes' && !this.#placed) this.#place(room);
    this.#moved();
  }

  /** Who comes back to much that is new begins where it begins. @param {import('./room-state.js').RoomState} room */
  #place(room) {
    this.#placed = true;
    const line = this.#nodes.get('new')?.node;
    if (!line || !this.scroll.beginAt(line)) return;
    this.#leftAt = room.newAfter ?? 0;
    this.model.following = false;
  }

  /**
   * @param {import('./room-state.js').RoomState} room
   * @param {number} lines
   */
  #topText(room, lines) {
    if (room.loaded === 'failed') return 'The messages could not be loaded. Trying again…';
    if (room.loaded !== 'yes') return 'Loading…';
    if (room.hasOlder) return 'Loading older messages…';
    return room.notice ?? (lines ? 'This is where the conversation begins.' : null);
  }

  /** Makes the DOM show these lines, touching only what differs. @param {import('./message-list.js').Line[]} lines */
  #reconcile(lines) {
    const wanted = new Set(lines.map((line) => line.key));
    for (const [key, { node }] of this.#nodes) {
      if (wanted.has(key)) continue;
      node.remove();
      this.#nodes.delete(key);
    }
    let next = this.list.firstChild;
    for (const line of lines) {
      let shown = this.#nodes.get(line.key);
      if (!shown) {
        shown = new LineNode(line, this.actions);
        this.#nodes.set(line.key, shown);
      } else if (!sameLine(shown.line, line)) {
        shown.update(line);
      }
      if (shown.node === next) next = next.nextSibling;
      else this.list.insertBefore(shown.node, next);
    }
  }

  /** The reader's place, or what is around it, has changed. */
  #moved() {
    const room = this.#room;
    if (!room) return;
    const { following } = this.scroll;
    if (this.model.following && !following) this.#leftAt = room.info.last_id;
    this.model.following = following;
    const screen = this.scroll.box.clientHeight;
    if (this.scroll.distanceToTop < screen * AHEAD_SCREENS) this.model.loadOlder(room);
    this.#drawJump(room, screen);
    this.#reportSeen();
  }

  /**
   * @param {import('./room-state.js').RoomState} room
   * @param {number} screen
   */
  #drawJump(room, screen) {
    const arrived = this.scroll.following ? 0 : room.timeline.messages.filter(
      (message) => message.id > this.#leftAt && message.user_id !== this.model.me.user_id && !message.deleted,
    ).length;
    this.jump.hidden = this.scroll.following || (arrived === 0 && this.scroll.distanceToEnd < screen);
    this.jump.toggleAttribute('data-new', arrived > 0);
    byId('jump-text').textContent = arrived ? counted(arrived, 'new message', 'new messages') : 'Jump to newest';
  }

  #reportSeen() {
    const room = this.#room;
    if (room && room.loaded === 'yes' && this.scroll.following && document.visibilityState === 'visible' && document.hasFocus()) {
      this.model.seen(room);
    }
  }

  /** @param {import('./message-list.js').Line} line */
  #allowed({ message, state }) {
    const room = this.#room;
    const open = Boolean(room && !room.info.archived && message.id && state === 'stored');
    const own = message.user_id === this.model.me.user_id;
    const moderates = ['admin', 'moderator'].includes(this.model.me.role) || ['owner', 'moderator'].includes(room?.info.role);
    return { react: open, edit: open && own, remove: open && (own || moderates) };
  }

  /** @param {LineNode} line */
  async #remove({ line }) {
    const room = this.#room;
    if (!room) return;
    const { message } = line;
    const sure = await this.confirm({
      title: 'Delete this message?', yes: 'Delete',
      text: message.message.length > 140 ? `${message.message.slice(0, 140)}…` : message.message,
    });
    if (sure) this.model.client.outbox.delete(room.id, message.id);
  }

  /** @param {EventTarget|null} target */
  #lineOf(target) {
    const node = /** @type {Element} */ (target).closest?.('li.message');
    for (const shown of this.#nodes.values()) if (shown.node === node) return shown;
    return null;
  }

  /** Arrows walk from message to message; Tab from there reaches its tools. @param {KeyboardEvent} event */
  #keys(event) {
    if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
    const messages = /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll('.message')]);
    if (messages.length === 0) return;
    const at = messages.indexOf(/** @type {any} */ (/** @type {Element} */ (event.target).closest('.message')));
    const to = at < 0 ? messages.length - 1 : at + (event.key === 'ArrowUp' ? -1 : 1);
    event.preventDefault();
    messages[Math.max(0, Math.min(messages.length - 1, to))].focus();
  }
}
