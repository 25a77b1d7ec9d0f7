/** Makes the first admin from the one-time link, `/setup#TOKEN`; the token never leaves the fragment but to the API. */
import { ConfabClient } from './confab.js';
import { byId, say } from './dom.js';
import { errorText } from './format.js';

const token = location.hash.slice(1);
const form = byId('setup-form');
const { username, password, again } = form.elements;
const button = form.querySelector('button[type="submit"]');
const client = new ConfabClient({ base: location.origin, cookie: true });

if (!token) {
  form.hidden = true;
  byId('setup-missing').hidden = false;
} else {
  username.focus();
}

form.addEventListener('submit', async (/** @type {Event} */ event) => {
  event.preventDefault();
  if (password.value !== again.value) {
    say(byId('setup-error'), 'The two passwords differ.');
    again.select();
    return;
  }
  button.disabled = true;
  say(byId('setup-error'), null);
  try {
    await client.session.setup(token, username.value.trim(), password.value);
    location.replace('/');
  } catch (error) {
    say(byId('setup-error'), errorText(error));
    button.disabled = false;
  }
});
