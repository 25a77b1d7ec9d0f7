const PREFIX = 'confab.outbox';

/**
 * Keeps what is not acknowledged in localStorage, so that closing the tab does not lose it. A key per
 * entry: two tabs do not overwrite each other, and what both send counts once by its `client_id`.
 *
 * @param {() => string|undefined} user_id whose outbox it is
 * @returns {import('./outbox.js').OutboxStorage}
 */
export function outboxStorage(user_id) {
  const prefix = () => `${PREFIX}.${user_id()}.`;
  return {
    list() {
      const own = Object.keys(localStorage).filter((key) => key.startsWith(prefix()));
      return own.map(read).filter((entry) => entry !== null).sort((a, b) => a.created_at - b.created_at);
    },
    put(entry) {
      try {
        localStorage.setItem(prefix() + entry.client_id, JSON.stringify(entry));
      } catch {
        // Full, or forbidden: the outbox still works, it only does not outlive the tab.
      }
    },
    remove(client_id) {
      localStorage.removeItem(prefix() + client_id);
    },
  };
}

/** @param {string} key */
function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null');
  } catch {
    localStorage.removeItem(key);
    return null;
  }
}
