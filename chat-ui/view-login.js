import { byId, say } from './dom.js';
import { errorText } from './format.js';

/**
 * Shows the sign-in card until somebody is signed in.
 * @param {import('./session.js').Session} session
 * @param {string|null} note why one has to sign in (again)
 * @returns {Promise<void>}
 */
export function signIn(session, note) {
  const form = byId('login-form');
  const error = byId('login-error');
  const button = form.querySelector('button[type="submit"]');
  const { username, password } = form.elements;
  say(byId('login-note'), note);
  byId('login').hidden = false;
  username.focus();

  return new Promise((resolve) => {
    const submit = async (/** @type {Event} */ event) => {
      event.preventDefault();
      button.disabled = true;
      say(error, null);
      try {
        await session.login(username.value.trim(), password.value);
        form.removeEventListener('submit', submit);
        form.reset();
        byId('login').hidden = true;
        resolve();
      } catch (failure) {
        say(error, errorText(failure));
        password.select();
      } finally {
        button.disabled = false;
      }
    };
    form.addEventListener('submit', submit);
  });
}
