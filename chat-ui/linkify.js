const LINK = /\bhttps?:\/\/[^\s<>"]+/gi;
const TRAILING = /[.,:;!?'"*_)\]}]+$/;

/**
 * Splits text into plain parts and links; nothing of it is ever markup.
 * @param {string} text
 * @returns {{text: string, href?: string}[]}
 */
export function splitLinks(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const href = trim(match[0]);
    if (!URL.canParse(href)) continue;
    if (match.index > from) parts.push({ text: text.slice(from, match.index) });
    parts.push({ text: href, href });
    from = match.index + href.length;
  }
  if (from < text.length) parts.push({ text: text.slice(from) });
  return parts;
}

/** A full stop after a link belongs to the sentence; a bracket only if it was not opened in the link. @param {string} url */
function trim(url) {
  let rest = url;
  for (;;) {
    const end = TRAILING.exec(rest)?.[0];
    if (!end) return rest;
    const last = rest.at(-1);
    if (last === ')' && count(rest, '(') >= count(rest, ')')) return rest;
    if (last === '_' || last === '*') return rest;
    rest = rest.slice(0, -1);
  }
}

/** @param {string} text @param {string} char */
const count = (text, char) => text.split(char).length - 1;
