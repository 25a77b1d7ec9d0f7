"""The command line, alone and beside a running server."""
import json
import re
import sqlite3
import subprocess
import threading
import unittest

from confab_client import Client, fill
from confab_server import DEADLINE, PASSWORD, ROOT, Server, ServerCase, binary, until, watch

IRC = """\
[10:00] <ann> good morning
=== ann_ is now known as bert
[10:01] <bert> hello ann, how are you?
[10:01] <ann> fine
[10:02] <carl[away]> a <tag> & "quotes" \\o/
[10:03] <ann> fine
"""


class Alone(unittest.TestCase):
    """Commands without a server."""

    def setUp(self):
        watch(self)
        self.server = Server()
        self.addCleanup(self.server.close)
        self.run_ = self.server.run

    def assertRefused(self, outcome, *words, code=None):
        self.assertNotEqual(outcome.code, 0)
        if code is not None:
            self.assertEqual(outcome.code, code)
        for word in words:
            self.assertIn(word, outcome.err)

    def test_help_explains_every_command_and_setting(self):
        for args in (("help",), ("--help",), ("-h",), ()):
            outcome = self.run_(*args)
            self.assertEqual(outcome.code, 0, args)
            for word in ("serve", "user add", "token", "backup", "restore", "check", "import", "export", "migrate", "version",
                         "CONFAB_DATA", "CONFAB_PORT", "CONFAB_RATE_PROFILE"):
                self.assertIn(word, outcome.out)
        self.assertIn("backup FILE", self.run_("backup", "--help").out)

    def test_the_version_is_told(self):
        for args in (("version",), ("--version",), ("-V",)):
            self.assertRegex(self.run_(*args).out, r"^confab \d+\.\d+\.\d+\n$")

    def test_unknown_commands_and_options_are_refused_with_a_hint(self):
        self.assertRefused(self.run_("serv"), "serve", code=2)
        self.assertRefused(self.run_("dance"), "dance", code=2)
        self.assertRefused(self.run_("user", "ad", "x"), "add", code=2)
        self.assertRefused(self.run_("token", "x", "--tll", "5"), "--ttl", code=2)
        self.assertRefused(self.run_("backup"), code=2)
        self.assertRefused(self.run_("serve", "extra"), "extra", code=2)
        self.assertRefused(self.run_("token", "x", "--ttl", "soon"), "soon", code=2)

    def test_wrong_settings_are_refused_by_name_with_what_was_expected(self):
        for name, value, expected in (("CONFAB_PORT", "eighty", "65535"), ("CONFAB_PORT", "65536", "65535"), ("CONFAB_PORT", "-1", "65535"),
                                      ("CONFAB_LOG", "yaml", "json"), ("CONFAB_RATE_PROFILE", "none", "tutorial"),
                                      ("CONFAB_HEARTBEAT_MS", "", "3600000"), ("CONFAB_LOOPS", "65", "64"),
                                      ("CONFAB_TRUSTED_PROXIES", "not-an-address", None), ("CONFAB_LISTEN", "not-an-address", None)):
            with self.subTest(name=name, value=value):
                outcome = self.run_("serve", env={name: value})
                self.assertRefused(outcome, name)
                if expected:
                    self.assertIn(expected, outcome.err)

    def test_settings_may_come_from_a_file_and_the_environment_wins(self):
        config = self.server.folder / "confab.conf"
        config.write_text("# comment\n\nCONFAB_RATE_PROFILE=tutorial\nCONFAB_LOG=nonsense\n")
        self.assertRefused(self.run_("serve", env={"CONFAB_CONFIG": str(config)}), "CONFAB_LOG")
        other = self.server.folder / "other"
        config.write_text(f"CONFAB_DATA={other}\n")
        self.assertIn(str(self.server.data), self.run_("migrate", env={"CONFAB_CONFIG": str(config)}, check=True).out)
        self.assertFalse(other.exists())
        env = {k: v for k, v in self.server.env.items() if k != "CONFAB_DATA"}
        done = subprocess.run([binary(), "migrate"], env={**env, "CONFAB_CONFIG": str(config)}, capture_output=True, text=True, timeout=DEADLINE)
        self.assertIn(str(other), done.stdout)
        self.assertTrue((other / "confab.db").exists())
        self.assertRefused(self.run_("serve", env={"CONFAB_CONFIG": str(config) + ".missing"}), "missing")

    def test_a_port_in_use_is_refused_in_words(self):
        with Server() as other:
            self.assertRefused(self.run_("serve", env={"CONFAB_PORT": str(other.port)}), str(other.port))

    def test_commands_that_need_a_database_say_that_there_is_none(self):
        for args in (("user", "list"), ("token", "x"), ("check",), ("export", "general"), ("backup", "b.db")):
            with self.subTest(args=args):
                self.assertRefused(self.run_(*args))
        self.assertFalse(self.server.data.exists() and any(self.server.data.glob("*.db")), "nothing was made by looking")

    def test_users_are_added_listed_and_changed_without_a_server(self):
        self.assertEqual(self.run_("user", "add", "ann", "--role", "admin", "--password-stdin", stdin=PASSWORD + "\n").code, 0)
        self.assertRefused(self.run_("user", "add", "ann", "--no-password"), "exists")
        self.assertRefused(self.run_("user", "add", "bad name", "--no-password"))
        self.assertRefused(self.run_("user", "add", "bob", "--role", "king", "--no-password"), "moderator", code=2)
        self.assertRefused(self.run_("user", "add", "bob", "--password-stdin", stdin="short\n"), "password")
        self.assertEqual(self.run_("user", "add", "--no-password", "-", stdin="bob\ncarl\n\n").code, 0)
        self.assertEqual(self.run_("user", "role", "bob", "moderator").code, 0)
        self.assertEqual(self.run_("user", "disable", "carl").code, 0)
        listed = {line.split()[0]: line for line in self.run_("user", "list", check=True).out.splitlines()}
        self.assertEqual(set(listed), {"ann", "bob", "carl"})
        self.assertIn("admin", listed["ann"])
        self.assertIn("moderator", listed["bob"])
        self.assertIn("disabled", listed["carl"])
        self.assertRefused(self.run_("token", "carl"), "disabled")
        self.assertRefused(self.run_("token", "nobody"), "nobody")
        self.assertEqual(self.run_("user", "enable", "carl").code, 0)
        self.assertRefused(self.run_("user", "role", "ann", "member"), "admin")
        self.server.start()
        self.assertEqual(self.server.http("POST", "/api/auth/login", {"username": "ann", "password": PASSWORD}).status, 200)
        self.assertNotIn("/setup#", "".join(self.server.output), "there is an admin already")

    def test_migrate_and_check_approve_of_a_new_database(self):
        self.assertIn("schema", self.run_("migrate", check=True).out)
        self.assertIn("holes 0", self.run_("check", check=True).out)

    def test_check_finds_a_hole_and_a_changed_message(self):
        with self.server:
            ids = fill(self.server, "general", 10)
            self.server.stop()
            self.assertEqual(self.run_("check").code, 0)
            db = sqlite3.connect(self.server.data / "confab.db")
            with db:
                db.execute("DELETE FROM events WHERE seq = ?", (ids[4],))
            db.close()
            outcome = self.run_("check")
            self.assertNotEqual(outcome.code, 0)
            self.assertNotIn("holes 0", outcome.out)

    def test_restore_refuses_what_is_no_backup(self):
        self.run_("migrate", check=True)
        bad = self.server.folder / "bad.db"
        bad.write_bytes(b"not a database at all" * 1000)
        self.assertRefused(self.run_("restore", bad))
        self.assertRefused(self.run_("restore", self.server.folder / "missing.db"))
        other = sqlite3.connect(self.server.folder / "other.db")
        other.execute("CREATE TABLE cookies (id INTEGER)")
        other.commit()
        other.close()
        self.assertRefused(self.run_("restore", self.server.folder / "other.db"))
        self.assertEqual(self.run_("check").code, 0, "the database is still the old one")

    def test_routes_and_config_are_printed(self):
        routes = self.run_("routes", check=True).out.splitlines()
        self.assertIn("POST /api/rooms/{room_id}/messages", routes)
        self.assertIn("CONFAB_DATA", self.run_("config", check=True).out)

    def test_the_whole_protocol_table_is_routed(self):
        routes = set(self.run_("routes", check=True).out.splitlines())
        text = (ROOT / "docs/protocol.md").read_text()
        rows = re.findall(r"^\| ((?:GET|POST|PUT|PATCH|DELETE)[A-Z, ]*) `(/api/[^`]*)`(?:, `…/(\w+)`)? ?[^|]*\|", text, re.M)
        self.assertGreater(len(rows), 25)
        for methods, path, more in rows:
            for method in methods.replace(",", " ").split():
                self.assertIn(f"{method} {path}", routes)
                if more:
                    self.assertIn(f"{method} {path.rsplit('/', 1)[0]}/{more}", routes)


class BesideAServer(ServerCase):
    def confab(self, *args, **kw):
        return self.server.run(*args, check=True, **kw)

    def test_a_user_added_while_the_server_runs_can_log_in(self):
        name = self.fresh("late-")
        self.server.add_password_user(name)
        self.assertEqual(self.server.http("POST", "/api/auth/login", {"username": name, "password": PASSWORD}).status, 200)
        self.confab("user", "passwd", name, "--password-stdin", stdin="a newer password\n")
        self.assertEqual(self.server.http("POST", "/api/auth/login", {"username": name, "password": PASSWORD}).status, 401)
        self.assertEqual(self.server.http("POST", "/api/auth/login", {"username": name, "password": "a newer password"}).status, 200)

    def test_a_role_changed_on_the_command_line_counts_at_once(self):
        name = self.users("rising")
        self.confab("user", "role", name, "admin")
        self.assertEqual(self.server.http("GET", "/api/users", token=self.token(name)).status, 200)
        self.confab("user", "role", name, "member")
        self.assertEqual(self.server.http("GET", "/api/users", token=self.token(name)).status, 403)

    def test_what_the_command_line_does_is_audited(self):
        name = self.fresh("audited-")
        self.confab("user", "add", name, "--no-password")
        row = next(a for a in self.server.call("GET", "/api/audit?limit=50")["items"] if a["target"] == name)
        self.assertEqual((row["action"], row["actor"]), ("user_created", "system"))

    def test_restore_is_refused_while_the_server_runs(self):
        backup = self.server.folder / "refused.db"
        self.confab("backup", backup)
        outcome = self.server.run("restore", backup)
        self.assertNotEqual(outcome.code, 0)
        self.assertTrue(outcome.err)
        self.server.post("general", "still here")

    def test_a_backup_taken_while_people_write_is_whole(self):
        room, stop, sent = self.room(), threading.Event(), []

        def write():
            while not stop.is_set():
                sent.append(self.server.post(room, f"m{len(sent)} " + "x" * 500)["id"])

        writer = threading.Thread(target=write)
        writer.start()
        try:
            backups = []
            for i in range(3):
                until(lambda: len(sent) >= 20 * (i + 1), "messages to be written")
                file = self.server.folder / f"backup-{i}.db"
                self.confab("backup", file)
                backups.append(file)
        finally:
            stop.set()
            writer.join()
        counts = []
        for file in backups:
            db = sqlite3.connect(file)
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
            seqs = [s for (s,) in db.execute(
                "SELECT seq FROM events WHERE room_id = (SELECT id FROM rooms WHERE slug = ?) ORDER BY seq", (room,))]
            db.close()
            self.assertEqual(seqs, list(range(1, len(seqs) + 1)))
            counts.append(len(seqs))
        self.assertEqual(counts, sorted(counts))
        self.assertGreaterEqual(counts[0], 20)

    def test_a_backup_does_not_overwrite_a_database_in_use(self):
        outcome = self.server.run("backup", self.server.data / "confab.db")
        self.assertNotEqual(outcome.code, 0)
        self.server.post("general", "unharmed")

    def test_check_approves_while_the_server_runs(self):
        self.server.post("general", "checked")
        self.assertIn("holes 0", self.confab("check").out)

    async def test_an_import_reaches_those_who_are_in_the_room_and_doing_it_again_adds_nothing(self):
        room = self.room()
        file = self.server.folder / "2010-05-06.txt"
        file.write_bytes(IRC.encode() + b"[10:04] <ann> caf\xe9 in latin-1\n")
        async with await Client.login(self.server, self.token(self.users("reader"))) as c:
            joined = await c.join(room)
            self.confab("import", "--format", "irc", file, "--room", room)
            await c.wait("message", data={"message": "good morning"})
            last = self.server.events(room)[-1]["data"]["id"]
            while c.ids(room)[-1] < last:
                await c.recv()
            self.assertEqual(c.ids(room), list(range(joined["last_id"] + 1, last + 1)), "live, without a hole")
            texts = [(e["data"]["user_id"], e["data"]["message"]) for e in c.events[room] if e["type"] == "message"]
            self.assertEqual([t for _, t in texts][:5],
                             ["good morning", "hello ann, how are you?", "fine", 'a <tag> & "quotes" \\o/', "fine"])
            self.assertEqual(len(texts), 6)
            self.assertEqual(c.events[room], self.server.events(room)[-len(c.events[room]):])
            self.confab("import", "--format", "irc", file, "--room", room)
            self.assertEqual(self.server.events(room)[-1]["data"]["id"], last)
            await c.settled()
            self.assertEqual(c.ids(room)[-1], last)
            self.server.post(room, "after the import")
            await c.wait("message", data={"message": "after the import", "id": last + 1})

    def test_an_import_refuses_unknown_formats_rooms_and_files(self):
        room = self.room()
        file = self.server.folder / "small.txt"
        file.write_text(IRC)
        for args in (("--format", "csv", file, "--room", room), ("--format", "irc", file), ("--format", "irc", self.server.folder / "missing", "--room", room),
                     ("--format", "irc", "--room", room), ("--format", "irc", file, "--room", "NOT A ROOM")):
            with self.subTest(args=args):
                outcome = self.server.run("import", *args)
                self.assertNotEqual(outcome.code, 0)
                self.assertTrue(outcome.err)

    def test_an_export_is_the_log_line_by_line(self):
        room = self.room()
        first = self.server.post(room, "first, with \"quotes\" and\nlines")["id"]
        self.server.post(room, "gone")
        self.server.call("PATCH", f"/api/rooms/{room}/messages/{first}", {"message": "edited"})
        self.server.call("DELETE", f"/api/rooms/{room}/messages/{first + 1}")
        lines = self.confab("export", room, "--format", "jsonl").out.splitlines()
        self.assertEqual([json.loads(line) for line in lines], self.server.events(room))
        self.assertNotEqual(self.server.run("export", "nowhere").code, 0)
        self.assertNotEqual(self.server.run("export", room, "--format", "xml").code, 0)

    def test_a_large_export_is_complete(self):
        room = self.room()
        fill(self.server, room, 450)
        self.assertEqual([json.loads(line) for line in self.confab("export", room).out.splitlines()], self.server.events(room))

    def test_no_secret_is_in_the_log(self):
        name = self.fresh("logged-")
        self.server.add_password_user(name)
        session = self.server.call("POST", "/api/auth/login", {"username": name, "password": PASSWORD})
        self.server.http("GET", f"/ws?token={session['access_token']}")
        self.server.http("POST", "/api/auth/login", {"username": name, "password": "a wrong secret"})
        self.server.post("general", "private words")
        for secret in (PASSWORD, session["access_token"], session["refresh_token"], "a wrong secret", "private words"):
            self.assertNotIn(secret, self.server.log)


class JsonLog(unittest.TestCase):
    def test_logs_are_json_lines_where_asked_for(self):
        watch(self)
        with Server(LOG="json", LOG_LEVEL="debug") as server:
            server.http("GET", "/health")
            server.stop()
            lines = [json.loads(line) for line in server.log.splitlines()]
            self.assertTrue(lines)
            for line in lines:
                self.assertTrue({"time", "level"} <= set(line) or {"ts", "level"} <= set(line), line)


if __name__ == "__main__":
    unittest.main()
