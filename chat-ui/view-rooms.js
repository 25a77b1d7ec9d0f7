import { byId, el, icon } from './dom.js';
import { counted } from './format.js';
import { titleOf } from './room-state.js';

/** The list of one's rooms, with what is unread in each. */
export class RoomsView {
  /** @param {import('./model.js').ChatModel} model */
  constructor(model) {
    this.model = model;
    this.list = byId('room-list');
    model.on('rooms', () => this.draw());
    model.on('opened', () => this.draw());
  }

  draw() {
    const own = [...this.model.rooms.values()].filter((room) => room.member);
    own.sort((a, b) => Number(a.info.archived) - Number(b.info.archived) || titleOf(a).localeCompare(titleOf(b)));
    const focused = /** @type {HTMLElement|null} */ (document.activeElement)?.dataset?.room;
    this.list.replaceChildren(...own.map((room) => el('li', {}, this.#link(room))));
    if (focused) this.list.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
    byId('rooms-empty').hidden = own.length > 0 || !this.model.ready;
    this.list.hidden = own.length === 0;
    this.#drawTitle();
  }

  /** @param {import('./room-state.js').RoomState} room */
  #link(room) {
    const unread = room.unread > 0;
    return el('a', {
      class: 'rooms__link', href: `#${room.id}`, 'aria-current': room.id === this.model.activeId && 'page',
      data: { room: room.id, ...(unread ? { unread: '' } : {}) },
    },
    el('span', { class: 'rooms__title', text: titleOf(room) }),
    room.info.kind === 'private' && icon('lock'),
    room.info.kind === 'private' && el('span', { class: 'hidden-text', text: 'private' }),
    unread && el('span', { class: 'badge', 'aria-hidden': 'true', text: room.unread > 999 ? '999+' : String(room.unread) }),
    unread && el('span', { class: 'hidden-text', text: counted(room.unread, 'unread message', 'unread messages') }));
  }

  #drawTitle() {
    const unread = this.model.totalUnread;
    const room = this.model.active;
    document.title = `${unread ? `(${unread}) ` : ''}${room ? `${titleOf(room)} · ` : ''}Confab`;
  }
}
