import { el, face } from './dom.js';
import { fullTime, timeOfDay } from './format.js';
import { splitLinks } from './linkify.js';

/** @typedef {import('./message-list.js').Line} Line */

/**
 * What a line can ask for.
 * @typedef {object} MessageActions
 * @property {(message: any, reaction: {reaction: string, me: boolean}) => void} react
 * @property {(entry: any) => void} retry
 * @property {(entry: any) => void} discard
 */

/** One line of the conversation in the DOM; `update` draws it anew in place. */
export class LineNode {
  /** @type {Line|null} what came while the editor was open */
  #held = null;
  #editing = false;

  /**
   * @param {Line} line
   * @param {MessageActions} actions
   */
  constructor(line, actions) {
    this.line = line;
    this.actions = actions;
    this.node = el('li');
    if (line.kind === 'message') {
      this.node.tabIndex = -1;
      this.body = el('div', { class: 'message__body' });
      this.aside = el('div');
      this.node.append(this.aside, this.body);
    }
    this.#draw();
  }

  /** @param {Line} line */
  update(line) {
    if (this.#editing) {
      this.#held = line;
      return;
    }
    this.line = line;
    this.#draw();
  }

  /** Swaps the text for a field to change it in. @param {(text: string) => void} save */
  edit(save) {
    if (this.#editing) return;
    this.#editing = true;
    const field = el('textarea', { class: 'edit__text', rows: '1', 'aria-label': 'Edit message' });
    field.value = this.line.message.message;
    const done = (/** @type {string|null} */ text) => {
      if (!this.#editing) return;
      this.#editing = false;
      this.line = this.#held ?? this.line;
      this.#held = null;
      this.#draw();
      this.node.focus();
      if (text !== null && text !== this.line.message.message) save(text);
    };
    const grow = () => {
      field.style.height = 'auto';
      field.style.height = `${field.scrollHeight + 2}px`;
    };
    field.addEventListener('input', grow);
    field.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      event.stopPropagation();
      if (event.key === 'Escape') done(null);
      else if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        const text = field.value.trim();
        done(text === '' ? null : text);
      }
    });
    this.body.replaceChildren(this.#head() ?? '', field, el('p', { class: 'edit__help' },
      'Enter to save, Escape to cancel',
      el('button', { class: 'link-button', type: 'button', text: 'Save', on: { click: () => done(field.value.trim() || null) } }),
      el('button', { class: 'link-button', type: 'button', text: 'Cancel', on: { click: () => done(null) } })));
    grow();
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }

  #draw() {
    const { kind, text } = this.line;
    if (kind === 'day') {
      this.node.className = 'day';
      this.node.replaceChildren(el('span', { text }));
    } else if (kind === 'new') {
      this.node.className = 'new-line';
      this.node.replaceChildren(el('span', { text: 'New' }));
    } else {
      this.#drawMessage();
    }
  }

  #drawMessage() {
    const { message, author, first, state, entry } = this.line;
    this.node.className = 'message';
    this.node.toggleAttribute('data-first', first);
    this.node.dataset.state = state;
    this.node.dataset.id = String(message.id);
    this.node.setAttribute('aria-label', `${author}, ${timeOfDay(new Date(message.timestamp))}`);

    const aside = first ? face(message.user_id ?? '', author ?? '') : this.#time('message__aside');
    this.aside.replaceWith(aside);
    this.aside = aside;
    this.body.replaceChildren(...[this.#head(), this.#text(), this.#reactions(), this.#status(entry, state)].filter(Boolean));
  }

  #head() {
    if (!this.line.first) return null;
    return el('div', { class: 'message__head' },
      el('span', { class: 'message__author', text: this.line.author }), this.#time('message__time'));
  }

  /** @param {string} className */
  #time(className) {
    const date = new Date(this.line.message.timestamp);
    return el('time', { class: className, datetime: date.toISOString(), title: fullTime(date), text: timeOfDay(date) });
  }

  #text() {
    const { message, entry } = this.line;
    const text = message.id && entry?.type === 'edit_message' ? entry.message : message.message;
    const parts = splitLinks(text).map((part) => (part.href
      ? el('a', { href: part.href, target: '_blank', rel: 'noopener noreferrer', text: part.text })
      : part.text));
    const edited = message.edited_at && el('span', {
      class: 'message__edited', title: fullTime(new Date(message.edited_at)), text: ' (edited)',
    });
    return el('div', { class: 'message__text' }, ...parts, edited);
  }

  #reactions() {
    const { message } = this.line;
    if (!message.reactions?.length) return null;
    return el('div', { class: 'reactions' }, ...message.reactions.map((/** @type {any} */ reaction) => el('button', {
      class: 'reaction', type: 'button', 'aria-pressed': String(reaction.me),
      'aria-label': `${reaction.reaction}, ${reaction.count}`,
      on: { click: () => this.actions.react(message, reaction) },
    }, el('span', { text: reaction.reaction }), el('span', { text: String(reaction.count) }))));
  }

  /**
   * @param {any} entry
   * @param {string|undefined} state
   */
  #status(entry, state) {
    if (state === 'failed') {
      return el('p', { class: 'message__status' },
        `${entry.type === 'chat_message' ? 'Not sent' : 'Not changed'}: ${entry.error?.message ?? 'refused'}`,
        el('button', { class: 'link-button', type: 'button', text: 'Try again', on: { click: () => this.actions.retry(entry) } }),
        el('button', { class: 'link-button', type: 'button', text: 'Discard', on: { click: () => this.actions.discard(entry) } }));
    }
    if (state === 'queued') return el('p', { class: 'message__status', text: 'Waiting to be sent' });
    return null;
  }
}
