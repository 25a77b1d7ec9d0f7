import { byId, el, icon, say } from './dom.js';
import { counted, errorText } from './format.js';
import { titleOf } from './room-state.js';

/**
 * Asks before something that cannot be taken back.
 * @param {{title: string, text: string, yes: string}} question
 * @returns {Promise<boolean>}
 */
export function confirm({ title, text, yes }) {
  const dialog = byId('confirm-dialog');
  byId('confirm-title').textContent = title;
  byId('confirm-text').textContent = text;
  byId('confirm-yes').textContent = yes;
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true }));
}

/** A click beside a dialog, or on one of its closing buttons, closes it. @param {any} dialog */
function closable(dialog) {
  dialog.addEventListener('click', (/** @type {MouseEvent} */ event) => {
    const target = /** @type {Element} */ (event.target);
    if (target === dialog || target.closest('[data-close]')) dialog.close();
  });
}

/** All rooms that one may see. */
export class BrowseDialog {
  /** @param {import('./model.js').ChatModel} model */
  constructor(model) {
    this.model = model;
    this.dialog = byId('browse-dialog');
    this.filter = byId('browse-filter');
    closable(this.dialog);
    byId('browse-rooms').addEventListener('click', () => this.open());
    this.filter.addEventListener('input', () => this.#draw());
    model.on('rooms', () => this.dialog.open && this.#draw());
  }

  open() {
    this.filter.value = '';
    say(byId('browse-error'), null);
    this.#draw();
    this.dialog.showModal();
    this.model.refreshRooms();
  }

  #draw() {
    const wanted = this.filter.value.trim().toLowerCase();
    const rooms = [...this.model.rooms.values()]
      .filter(({ id, info }) => !info.archived && `${id} ${info.name} ${info.topic}`.toLowerCase().includes(wanted))
      .sort((a, b) => titleOf(a).localeCompare(titleOf(b)));
    byId('browse-list').replaceChildren(...rooms.map((room) => this.#row(room)));
    byId('browse-none').hidden = rooms.length > 0;
  }

  /** @param {import('./room-state.js').RoomState} room */
  #row(room) {
    const { id, info, member } = room;
    const about = [info.topic, counted(info.members ?? 0, 'member', 'members')].filter(Boolean).join(' · ');
    return el('li', { class: 'browse__room' },
      el('div', { class: 'browse__about' },
        el('p', { class: 'browse__name', text: titleOf(room) }), el('p', { class: 'browse__topic', text: about })),
      info.kind === 'private' && icon('lock'),
      el('button', {
        class: 'button', type: 'button', text: member ? 'Open' : 'Join',
        'aria-label': `${member ? 'Open' : 'Join'} ${titleOf(room)}`,
        on: { click: (/** @type {any} */ event) => this.#enter(event.currentTarget, id, member) },
      }));
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {string} id
   * @param {boolean} member
   */
  async #enter(button, id, member) {
    button.disabled = true;
    try {
      if (!member) await this.model.joinRoom(id);
      this.dialog.close();
      location.hash = id;
    } catch (error) {
      button.disabled = false;
      say(byId('browse-error'), errorText(error));
    }
  }
}

/** A new room. Its address follows its name until it is written by hand. */
export class CreateDialog {
  /** @param {import('./model.js').ChatModel} model */
  constructor(model) {
    this.model = model;
    this.dialog = byId('create-dialog');
    this.form = byId('create-form');
    const { name, room_id } = this.form.elements;
    let byHand = false;
    closable(this.dialog);
    byId('create-room').addEventListener('click', () => {
      this.form.reset();
      byHand = false;
      say(byId('create-error'), null);
      this.dialog.showModal();
    });
    room_id.addEventListener('input', () => {
      byHand = room_id.value !== '';
    });
    name.addEventListener('input', () => {
      if (!byHand) room_id.value = addressFrom(name.value);
    });
    this.form.addEventListener('submit', (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#create();
    });
  }

  async #create() {
    const { name, room_id, topic, private: secret } = this.form.elements;
    try {
      await this.model.createRoom({
        room_id: room_id.value, name: name.value.trim(), topic: topic.value.trim(), kind: secret.checked ? 'private' : 'public',
      });
      this.dialog.close();
      location.hash = room_id.value;
    } catch (error) {
      say(byId('create-error'), errorText(error));
    }
  }
}

/** @param {string} name */
function addressFrom(name) {
  const plain = name.normalize('NFKD').replace(/[\u0300-\u036f]/g, '').toLowerCase();
  return plain.replace(/[^a-z0-9._-]+/g, '-').replace(/^[^a-z0-9]+|-+$/g, '').slice(0, 64);
}
