"""A real Confab server in a child process, for tests: start, make users, speak HTTP, stop, and complain about what it left behind.

The program under test is $CONFAB_BIN, else build/release/confab, else build/confab. $CONFAB_TEST_SLOW=1 (sanitizer builds) lengthens every deadline.
Nothing outlives a test: the server dies with the process that started it, and its folder is removed.
"""
import asyncio
import ctypes
import dataclasses
import faulthandler
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLOW = os.environ.get("CONFAB_TEST_SLOW", "") not in ("", "0")
FACTOR = 6 if SLOW else 1
DEADLINE = 15 * FACTOR  # seconds that any single wait may take
TEST_DEADLINE = 90 * FACTOR  # ... and a whole test, before it is ended with a stack trace
PASSWORD = "correct horse battery"
SANITIZER_REPORT = re.compile(r"ERROR: (Address|Leak)Sanitizer|runtime error:|WARNING: ThreadSanitizer")
TOKEN = re.compile(r"v4\.public\.[A-Za-z0-9_.-]+")


def binary():
    named = os.environ.get("CONFAB_BIN")
    candidates = [named] if named else [ROOT / "build/release/confab", ROOT / "build/confab"]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return str(pathlib.Path(candidate).resolve())
    raise RuntimeError(f"no program to test: {', '.join(map(str, candidates))}; build it, or name it in CONFAB_BIN")


def clean_environment(extra):
    """The caller's environment without any CONFAB_ variable but those asked for."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("CONFAB_")}
    env.update({k: str(v) for k, v in extra.items()})
    return env


def until(condition, what, deadline=None):
    """Waits for condition() to be true, and returns what it gave."""
    end = time.monotonic() + (deadline or DEADLINE)
    pause = 0.001
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(pause)  # between two looks at the condition, not instead of one
        pause = min(pause * 2, 0.05)


_libc = ctypes.CDLL(None)


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


@dataclasses.dataclass
class Answer:
    """An HTTP answer. `json` is the decoded body, or None where it is none."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    json: object = None

    @property
    def code(self):
        return self.json.get("code") if isinstance(self.json, dict) else None

    def header(self, name):
        return self.headers.get(name)


@dataclasses.dataclass
class Outcome:
    """What a command of the command line came to."""

    code: int
    out: str
    err: str


class Server:
    """A server on a data folder of its own. Settings are CONFAB_ variables, without the prefix."""

    def __init__(self, *, folder=None, **settings):
        self.own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="confab-test-"))
        self.data = self.folder / "data"
        self.settings = {"RATE_PROFILE": "unlimited", "HTTP_THREADS": 8, **settings}
        self.process = None
        self.port = 0
        self.starts = 0
        self.output = []
        self._tokens = {}

    # ---- life ----

    @property
    def env(self):
        settings = {"CONFAB_" + k: v for k, v in self.settings.items()}
        return clean_environment({"CONFAB_DATA": self.data, "CONFAB_PORT": 0, **settings})

    def log_file(self):
        return self.folder / f"stderr-{self.starts}.log"

    @property
    def log(self):
        return self.log_file().read_text(errors="replace") if self.log_file().exists() else ""

    def start(self, ready=True):
        assert self.process is None, "the server runs already"
        self.starts += 1
        self.output = []
        with open(self.log_file(), "wb") as stderr:
            self.process = subprocess.Popen(
                [binary(), "serve"], env=self.env, cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=stderr, text=True, preexec_fn=_die_with_parent)
        self._reader = threading.Thread(target=self._read_output, args=(self.process.stdout, self.output), daemon=True)
        self._reader.start()
        try:
            self.port = until(self._find_port, "the line that says where the server listens")
            if ready:
                until(self.is_ready, "the server to be ready")
        except BaseException:
            log = self.log
            self.kill()
            print(f"the server said:\n{''.join(self.output)}{log}", file=sys.stderr)
            raise
        return self

    @staticmethod
    def _read_output(stream, lines):
        for line in stream:
            lines.append(line)
        stream.close()

    def _find_port(self):
        for line in list(self.output):
            found = re.search(r"listening on http://[^ ]*:(\d+)", line)
            if found:
                return int(found.group(1))
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode} before it listened")
        return 0

    def is_ready(self):
        try:
            return self.http("GET", "/ready").status == 200
        except OSError:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}") from None
            return False

    def setup_token(self):
        """The secret of the one-time link that a first start prints."""
        return until(lambda: re.search(r"/setup#([A-Za-z0-9_-]+)", "".join(self.output)), "the set-up link").group(1)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, deadline=None):
        """Waits for the process to end; its exit code. Complains about sanitizer reports."""
        code = self.process.wait(timeout=deadline or DEADLINE + 15)
        self._reader.join(DEADLINE)
        self.process = None
        self.check_log()
        return code

    def stop(self):
        """SIGTERM, and the exit code must be 0."""
        if self.process is None:
            return
        self.terminate()
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not end on SIGTERM; it said:\n{self.log[-4000:]}") from None
        if code != 0:
            raise AssertionError(f"the server ended with {code} on SIGTERM; it said:\n{self.log[-4000:]}")

    def kill(self):
        """SIGKILL: no goodbye."""
        if self.process is None:
            return
        self.process.kill()
        self.wait()

    def restart(self):
        self.stop()
        return self.start()

    def check_log(self):
        log = self.log
        if SANITIZER_REPORT.search(log):
            raise AssertionError(f"a sanitizer complained:\n{log[-12000:]}")

    def close(self):
        try:
            self.stop()
        finally:
            self.kill()
            if self.own_folder:
                shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *exc):
        self.close()

    # ---- the command line ----

    def run(self, *args, stdin=None, env=None, check=False, deadline=None):
        """Runs `confab ARGS` on the server's data folder."""
        done = subprocess.run([binary(), *map(str, args)], env={**self.env, **(env or {})}, cwd=self.folder,
                              input=stdin if stdin is not None else "", capture_output=True, text=True, errors="replace",
                              timeout=deadline or DEADLINE + 30)
        if SANITIZER_REPORT.search(done.stderr):
            raise AssertionError(f"a sanitizer complained about `confab {' '.join(map(str, args))}`:\n{done.stderr[-12000:]}")
        outcome = Outcome(done.returncode, done.stdout, done.stderr)
        if check and outcome.code != 0:
            raise AssertionError(f"`confab {' '.join(map(str, args))}` ended with {outcome.code}: {outcome.err or outcome.out}")
        return outcome

    def popen(self, *args, **kw):
        return subprocess.Popen([binary(), *map(str, args)], env=self.env, cwd=self.folder, text=True,
                                preexec_fn=_die_with_parent, **kw)

    def add_users(self, *names, role="member"):
        """Makes users without passwords, in one go; those that exist are left alone. Their tokens, by name."""
        new = [n for n in names if n not in self._tokens]
        if new:
            lines = "".join(n + "\n" for n in new)
            self.run("user", "add", "--no-password", "--role", role, "-", stdin=lines, check=True)
            tokens = TOKEN.findall(self.run("token", "--ttl", "86400", "-", stdin=lines, check=True).out)
            assert len(tokens) == len(new), f"{len(tokens)} tokens for {len(new)} users"
            self._tokens.update(zip(new, tokens))
        return {n: self._tokens[n] for n in names}

    def token(self, name, role="member"):
        return self.add_users(name, role=role)[name]

    @property
    def admin(self):
        """The token of an admin, for arranging things."""
        return self.token("root", role="admin")

    def add_password_user(self, name, role="member", password=PASSWORD):
        self.run("user", "add", name, "--role", role, "--password-stdin", stdin=password + "\n", check=True)

    # ---- HTTP ----

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def http(self, method, path, body=None, *, token=None, headers=None, raw=None):
        """One request on a connection of its own. `body` is sent as JSON, `raw` as it is."""
        connection = http.client.HTTPConnection(*self.address, timeout=DEADLINE)
        head = {"Connection": "close"}
        if token:
            head["Authorization"] = "Bearer " + token
        data = raw
        if body is not None:
            data = json.dumps(body).encode()
            head["Content-Type"] = "application/json"
        head.update(headers or {})
        try:
            connection.request(method, path, body=data, headers=head)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        decoded = None
        if "json" in (response.headers.get("Content-Type") or "") and content:
            decoded = json.loads(content)
        return Answer(response.status, response.headers, content, decoded)

    def call(self, method, path, body=None, *, token=None, status=None):
        """As http(), but anything else than success (or `status`) is a failure."""
        answer = self.http(method, path, body, token=token or self.admin)
        expected = (status,) if status else (200, 201, 204)
        if answer.status not in expected:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.body[:500]!r}")
        return answer.json

    def make_room(self, room, kind="public", members=(), **fields):
        self.call("POST", "/api/rooms", {"room_id": room, "kind": kind, **fields}, status=201)
        for member in members:
            self.token(member)
            self.call("PUT", f"/api/rooms/{room}/members/{member}", {})
        return room

    def post(self, room, message, token=None, **fields):
        return self.call("POST", f"/api/rooms/{room}/messages", {"message": message, **fields}, token=token)

    def events(self, room, after=0, token=None):
        """The whole log after `after`, by pages."""
        events = []
        while True:
            page = self.call("GET", f"/api/rooms/{room}/events?after={after}&limit=200", token=token)
            events += page["items"]
            if not page["more"]:
                return events
            after = page["next"]

    def metric(self, name):
        """The sum of a metric over its labels."""
        text = self.http("GET", "/metrics").body.decode()
        values = re.findall(rf"^{re.escape(name)}(?:{{[^}}]*}})? (\S+)$", text, re.M)
        return sum(map(float, values))

    def active_connections(self):
        return self.http("GET", "/health").json["active_connections"]

    def private_memory(self):
        """Bytes of anonymous resident memory."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class AsyncCase(unittest.IsolatedAsyncioTestCase):
    """Asynchronous tests, each ended where it hangs."""

    maxDiff = None

    def setUp(self):
        super().setUp()
        watch(self)

    async def asyncSetUp(self):
        # unittest turns asyncio's debugging on, which costs more than the tests themselves.
        asyncio.get_running_loop().set_debug(False)


class ServerCase(AsyncCase):
    """Tests that share one server, with rooms and users of their own."""

    settings = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.names = 0
        cls.server = Server(**cls.settings)
        cls.addClassCleanup(cls.server.close)
        cls.server.start()

    @classmethod
    def fresh(cls, prefix):
        """A name that no other test of the class uses."""
        cls.names += 1
        return f"{prefix}{cls.names}"

    def room(self, kind="public", members=(), **fields):
        return self.server.make_room(self.fresh("room-"), kind, members, **fields)

    def users(self, *prefixes):
        """New users; their names, each beginning with its prefix."""
        names = [self.fresh(p) for p in prefixes]
        self.server.add_users(*names)
        return names[0] if len(names) == 1 else names

    def token(self, name):
        return self.server.token(name)

    def assertProblem(self, answer, status, code=None, field=None):
        """The answer is a problem document (RFC 9457) with this status and machine word."""
        self.assertEqual(answer.status, status, answer.body[:500])
        self.assertEqual(answer.header("Content-Type").split(";")[0], "application/problem+json")
        problem = answer.json
        self.assertEqual(problem["status"], status)
        self.assertEqual(problem["type"], "https://confab.invalid/errors/" + problem["code"])
        self.assertTrue(problem["title"])
        self.assertIn("detail", problem)
        if code:
            self.assertEqual(problem["code"], code)
        if field:
            self.assertEqual(problem.get("field"), field)


def watch(case):
    """Ends the whole run with a stack trace where a test hangs; the servers die with it."""
    faulthandler.dump_traceback_later(TEST_DEADLINE, exit=True)
    case.addCleanup(faulthandler.cancel_dump_traceback_later)


def free_port():
    """A port that nobody listens on now; for tests that need to name one."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
