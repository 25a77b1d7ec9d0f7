import { el, icon } from './dom.js';

const EMOJI = ['👍', '❤️', '😄', '🎉', '👀', '🙏'];

/**
 * The one small toolbar that stands on the message under the pointer or the focus.
 */
export class MessageTools {
  /** @type {import('./message-node.js').LineNode|null} */
  #line = null;

  /**
   * @param {object} options
   * @param {(line: any) => {react: boolean, edit: boolean, remove: boolean}} options.allowed
   * @param {(message: any, reaction: {reaction: string, me: boolean}) => void} options.react
   * @param {(line: any) => void} options.edit
   * @param {(line: any) => void} options.remove
   */
  constructor({ allowed, react, edit, remove }) {
    this.allowed = allowed;
    this.react = react;
    this.edit = edit;
    this.remove = remove;
    this.node = el('div', { class: 'tools', role: 'toolbar', 'aria-label': 'Message', on: {
      keydown: (/** @type {KeyboardEvent} */ event) => this.#keys(event),
      click: (/** @type {Event} */ event) => event.stopPropagation(), // the list need not know
    } });
  }

  /** @param {import('./message-node.js').LineNode|null} line */
  show(line) {
    if (line === this.#line && this.node.isConnected) return;
    this.#line = line;
    const allowed = line?.line.kind === 'message' ? this.allowed(line.line) : null;
    if (!line || !allowed || !(allowed.react || allowed.edit || allowed.remove)) {
      this.node.remove();
      return;
    }
    this.#draw(allowed);
    line.node.append(this.node);
  }

  hide() {
    this.show(null);
  }

  /** Offers the reactions in place of the buttons. */
  #offer() {
    const before = [...this.node.children];
    const emoji = EMOJI.map((reaction) => el('button', {
      class: 'tools__emoji', type: 'button', text: reaction, 'aria-label': `React with ${reaction}`,
      on: { click: () => this.#pick(reaction) },
    }));
    this.node.append(...emoji);
    emoji[0].focus(); // before the focused button goes: the focus is never lost
    for (const button of before) button.remove();
  }

  /** @param {{react: boolean, edit: boolean, remove: boolean}} allowed */
  #draw(allowed) {
    const line = /** @type {any} */ (this.#line);
    const button = (/** @type {string} */ label, /** @type {string} */ name, /** @type {() => void} */ run) => el('button', {
      class: 'icon-button', type: 'button', 'aria-label': label, title: label, on: { click: run },
    }, icon(name));
    this.node.replaceChildren(...[
      allowed.react && button('React', 'smile', () => this.#offer()),
      allowed.edit && button('Edit', 'edit', () => {
        line.node.focus({ preventScroll: true });
        this.hide();
        this.edit(line);
      }),
      allowed.remove && button('Delete', 'delete', () => this.remove(line)),
    ].filter(Boolean));
  }

  /** @param {string} reaction */
  #pick(reaction) {
    const line = /** @type {import('./message-node.js').LineNode} */ (this.#line);
    line.node.focus({ preventScroll: true });
    const known = line.line.message.reactions.find((/** @type {any} */ item) => item.reaction === reaction);
    this.hide();
    this.react(line.line.message, { reaction, me: known?.me ?? false });
  }

  /** Left and right walk through the buttons; Escape goes back to the message. @param {KeyboardEvent} event */
  #keys(event) {
    const buttons = /** @type {HTMLElement[]} */ ([...this.node.children]);
    const at = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step && at >= 0) {
      event.preventDefault();
      buttons[(at + step + buttons.length) % buttons.length].focus();
    } else if (event.key === 'Escape') {
      const line = this.#line;
      this.#line = null; // draw it afresh
      line?.node.focus({ preventScroll: true });
      this.show(line);
    } else return;
    event.stopPropagation();
  }
}
