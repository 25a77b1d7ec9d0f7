import { byId, el, face, say } from './dom.js';
import { counted, errorText, typingText } from './format.js';
import { titleOf } from './room-state.js';

/** More names than this help nobody. */
const SHOWN_PEOPLE = 100;

/** Around the conversation: the room's name, who is here, who types, and the way in or out. */
export class RoomView {
  /**
   * @param {import('./model.js').ChatModel} model
   * @param {(question: {title: string, text: string, yes: string}) => Promise<boolean>} confirm
   */
  constructor(model, confirm) {
    this.model = model;
    this.confirm = confirm;
    this.people = byId('people');
    this.toggle = byId('people-toggle');
    const here = (/** @type {(room: any) => void} */ draw) => (/** @type {{room: any}} */ { room }) => {
      if (room === model.active) draw.call(this, room);
    };
    model.on('opened', () => this.draw());
    model.on('rooms', () => this.draw());
    model.on('room', here(() => this.draw()));
    model.on('people', here(this.#drawPeople));
    model.on('typing', here(this.#drawTyping));

    this.toggle.addEventListener('click', () => this.#showPeople(this.people.hidden));
    byId('people-close').addEventListener('click', () => {
      this.#showPeople(false);
      this.toggle.focus();
    });
    this.people.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      if (event.key === 'Escape') byId('people-close').click();
    });
    byId('join-button').addEventListener('click', () => this.#join());
    byId('leave-room').addEventListener('click', () => this.#leave());
    this.#showPeople(matchMedia('(min-width: 1081px)').matches);
  }

  draw() {
    const room = this.model.active;
    const known = Boolean(room);
    byId('no-room').hidden = known || (this.model.activeId !== null && !this.model.ready);
    for (const part of document.querySelectorAll('.room__head, .room__middle, .room__foot')) {
      /** @type {HTMLElement} */ (part).inert = !known;
    }
    byId('room-name').textContent = room ? titleOf(room) : '';
    say(byId('room-topic'), room?.info.topic || null);
    byId('composer').hidden = !room?.member || room.info.archived;
    byId('join-bar').hidden = !room || (room.member && !room.info.archived);
    byId('join-button').hidden = Boolean(room?.info.archived);
    byId('join-text').textContent = room?.info.archived ? 'This room is archived. It can be read, not written to.' : 'You are not in this room.';
    byId('leave-room').hidden = !room?.member;
    this.toggle.hidden = !room?.member;
    if (room) {
      this.#drawPeople(room);
      this.#drawTyping(room);
    }
  }

  /** @param {import('./room-state.js').RoomState} room */
  #drawPeople(room) {
    const name = (/** @type {string} */ id) => this.model.nameOf(id);
    const byName = (/** @type {string} */ a, /** @type {string} */ b) => name(a).localeCompare(name(b));
    const here = [...room.here].sort(byName);
    const away = [...room.members.keys()].filter((id) => !room.here.has(id)).sort(byName);
    const person = (/** @type {string} */ id) => el('li', { class: 'people__person' },
      face(id, name(id)), el('span', { class: 'people__name', text: name(id), title: id }));
    byId('people-count').textContent = String(room.online);
    say(byId('here-title'), `Here now: ${room.online}`);
    const list = (/** @type {string[]} */ ids) => [
      ...ids.slice(0, SHOWN_PEOPLE).map(person),
      ...(ids.length > SHOWN_PEOPLE ? [el('li', { class: 'people__more', text: `and ${ids.length - SHOWN_PEOPLE} more` })] : []),
    ];
    byId('here-list').replaceChildren(...list(here));
    say(byId('away-title'), away.length ? `Away: ${away.length}` : null);
    byId('away-list').replaceChildren(...list(away));
    this.toggle.title = `${counted(room.online, 'person is', 'people are')} here`;
  }

  /** @param {import('./room-state.js').RoomState} room */
  #drawTyping(room) {
    byId('typing').textContent = typingText([...room.typing.keys()].map((id) => this.model.nameOf(id)));
  }

  /** @param {boolean} shown */
  #showPeople(shown) {
    this.people.hidden = !shown;
    this.toggle.setAttribute('aria-expanded', String(shown));
    if (shown && !matchMedia('(min-width: 1081px)').matches) byId('people-close').focus();
  }

  async #join() {
    const room = this.model.active;
    if (!room) return;
    byId('join-button').disabled = true;
    try {
      await this.model.joinRoom(room.id);
      this.model.open(room.id);
    } catch (error) {
      byId('join-text').textContent = errorText(error);
    } finally {
      byId('join-button').disabled = false;
    }
  }

  async #leave() {
    const room = this.model.active;
    if (!room) return;
    const text = room.info.kind === 'private' ? 'You can come back only when somebody adds you again.' : 'You can join again at any time.';
    if (!await this.confirm({ title: `Leave ${titleOf(room)}?`, text, yes: 'Leave' })) return;
    try {
      await this.model.leaveRoom(room.id);
      location.hash = '';
    } catch (error) {
      await this.confirm({ title: 'That did not work', text: errorText(error), yes: 'OK' });
    }
  }
}
