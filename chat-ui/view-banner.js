import { byId } from './dom.js';
import { errorText } from './format.js';

/** A link that is back within this time was never away, as far as people are concerned. */
const PATIENCE_MS = 900;

/** The quiet word about the connection. Nothing else on the page moves when it comes and goes. */
export class BannerView {
  /** @type {any} */
  #timer = null;
  #wasOnline = false;

  /** @param {import('./confab.js').ConfabClient} client */
  constructor(client) {
    this.client = client;
    this.node = byId('banner');
    this.action = byId('banner-action');
    this.action.addEventListener('click', () => {
      if (client.connection.state === 'stopped') client.connection.start();
      else client.connection.wake();
    });
    client.connection.on('state', ({ state }) => this.#state(state));
    client.on('ended', (error) => this.#show(`Disconnected: ${errorText(error)}`, 'Connect again', true));
  }

  /** @param {import('./connection.js').ConnectionState} state */
  #state(state) {
    if (state === 'online') {
      this.#wasOnline = true;
      clearTimeout(this.#timer);
      this.#timer = null;
      this.node.hidden = true;
    } else if (state !== 'stopped' && this.#timer === null) {
      this.#timer = setTimeout(() => this.#show(this.#wasOnline ? 'Reconnecting…' : 'Connecting…', 'Try now', false), PATIENCE_MS);
    }
  }

  /**
   * @param {string} text
   * @param {string} action
   * @param {boolean} ended
   */
  #show(text, action, ended) {
    byId('banner-text').textContent = text;
    this.action.textContent = action;
    this.action.hidden = false;
    this.node.toggleAttribute('data-ended', ended);
    this.node.hidden = false;
  }
}
