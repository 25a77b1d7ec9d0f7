/** Small helpers around the DOM. Text goes in as text, never as markup. */

/** @param {string} id */
export const byId = (id) => /** @type {any} */ (document.getElementById(id));

/**
 * @param {string} tag
 * @param {Record<string, any>} [props] `class`, `text`, `data`, `on`, or attributes; null and false are left out
 * @param {...(Node|string|null|undefined|false)} children
 * @returns {any}
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'class') node.className = value;
    else if (name === 'text') node.textContent = value;
    else if (name === 'data') Object.assign(node.dataset, value);
    else if (name === 'on') for (const [type, run] of Object.entries(value)) node.addEventListener(type, /** @type {any} */ (run));
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map((child) => /** @type {Node|string} */ (child)));
  return node;
}

const SVG = 'http://www.w3.org/2000/svg';

/** @param {string} name of a symbol in index.html */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.classList.add('icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** @param {string} id whose face, by user id @param {string} name */
export function face(id, name) {
  return paintFace(el('span', { class: 'face', 'aria-hidden': 'true' }), id, name);
}

/**
 * @param {any} node
 * @param {string} id
 * @param {string} name
 */
export function paintFace(node, id, name) {
  const words = name.trim().split(/[\s._-]+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]].map(first) : [...(words[0] ?? '?')].slice(0, 2);
  node.textContent = letters.join('').toUpperCase();
  let hash = 0;
  for (const char of id) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  node.dataset.tone = String(hash % 8);
  return node;
}

/** @param {string} word */
const first = (word) => [...word][0];

/**
 * Before the next frame; in a hidden tab, where there are none, a little later.
 * @param {() => void} run
 */
export function soon(run) {
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    run();
  };
  const frame = requestAnimationFrame(once);
  const timer = setTimeout(once, 200);
}

/**
 * Shows a sentence, or hides the place for it.
 * @param {any} node
 * @param {string|null} text
 */
export function say(node, text) {
  node.textContent = text ?? '';
  node.hidden = !text;
}

/** On a phone a focused field brings the keyboard up; only a person should do that. */
export const hasKeyboard = () => matchMedia('(hover: hover) and (pointer: fine)').matches;
