import { byId, hasKeyboard } from './dom.js';

/** The field to write in. Enter sends, Shift+Enter breaks the line; a draft stays with its room. */
export class ComposerView {
  /** @type {Map<string, string>} */
  #drafts = new Map();
  /** @type {string|null} */
  #roomId = null;

  /**
   * @param {import('./model.js').ChatModel} model
   * @param {object} actions
   * @param {() => void} actions.sent
   * @param {() => void} actions.editLast
   */
  constructor(model, { sent, editLast }) {
    this.model = model;
    this.sent = sent;
    this.form = byId('composer');
    this.field = byId('composer-text');
    model.on('opened', () => this.#open());
    this.form.addEventListener('submit', (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#send();
    });
    this.field.addEventListener('input', () => {
      this.#changed();
      model.sayTyping(this.field.value.trim() !== '');
    });
    this.field.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      if (event.isComposing) return; // Enter may pick a word in an input method
      if (event.key === 'Enter' && !event.shiftKey) {
        event.preventDefault();
        this.#send();
      } else if (event.key === 'ArrowUp' && this.field.value === '') {
        event.preventDefault();
        editLast();
      }
    });
    this.#changed();
  }

  #open() {
    if (this.#roomId !== null) this.#drafts.set(this.#roomId, this.field.value);
    this.#roomId = this.model.activeId;
    this.field.value = this.#drafts.get(this.#roomId ?? '') ?? '';
    this.#changed();
    if (this.model.active && hasKeyboard()) this.field.focus({ preventScroll: true });
  }

  #send() {
    const text = this.field.value.trim();
    if (text === '' || this.#roomId === null) return;
    this.field.value = '';
    this.#changed();
    this.model.client.outbox.send(this.#roomId, text);
    this.model.sayTyping(false);
    this.sent();
    this.field.focus();
  }

  #changed() {
    this.form.toggleAttribute('data-empty', this.field.value.trim() === '');
    this.field.style.height = 'auto';
    this.field.style.height = `${this.field.scrollHeight}px`;
  }
}
