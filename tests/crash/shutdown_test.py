"""Ends and beginnings: SIGTERM, two servers on one folder, databases that cannot be used."""
import os
import pathlib
import signal
import sqlite3
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "server"))

import websockets

from confab_client import Client, RawSocket, fill
from confab_server import FACTOR, AsyncCase, Server, watch


class Drain(AsyncCase):
    async def test_sigterm_tells_clients_when_to_come_back_and_ends_with_0(self):
        with Server() as server:
            tokens = server.add_users("a", "b", "c").values()
            clients = [await Client.login(server, t) for t in tokens for _ in range(5)]
            for c in clients:
                await c.join("general")
            unauthenticated = await Client.connect(server)
            server.terminate()
            waits = []
            for c in (*clients, unauthenticated):
                code, reason = await c.closed()
                self.assertEqual((code, reason["code"]), (1001, "shutting_down"))
                waits.append(reason["retry_after_ms"])
            self.assertGreater(min(waits), 0)
            self.assertGreater(len(set(waits)), 1, "they would all come back at once")
            self.assertEqual(server.wait(), 0)
            server.start()
            async with await Client.login(server, server.token("a")) as c:
                await c.join("general")

    async def test_what_was_acknowledged_before_sigterm_is_there_afterwards(self):
        with Server() as server:
            async with await Client.login(server, server.token("a")) as c:
                await c.join("general")
                for i in range(500):
                    await c.send(type="chat_message", room_id="general", message=f"m{i}", client_id=str(i))
                await c.wait("ack", client_id="100")
                server.terminate()
                await c.closed()
                acked = {f["client_id"]: f["id"] for f in c.log if f["type"] == "ack"}
            self.assertEqual(server.wait(), 0)
            self.assertGreater(len(acked), 100)
            server.start()
            stored = {e["data"].get("client_id"): e["data"]["id"] for e in server.events("general") if e["type"] == "message"}
            for key, number in acked.items():
                self.assertEqual(stored[key], number)

    async def test_a_peer_that_takes_nothing_does_not_hold_up_the_end(self):
        with Server(DRAIN_MS=2000) as server:
            room = server.make_room("flood", members=["slow"])
            with RawSocket.login(server, server.token("slow"), receive_buffer=4096) as stalled:
                stalled.send({"type": "join", "room_id": room})
                stalled.read_type("caught_up")
                fill(server, room, 200, "z" * 16000)
                begun = time.monotonic()
                server.terminate()
                self.assertEqual(server.wait(), 0)
                self.assertLess(time.monotonic() - begun, 8 * FACTOR)

    async def test_an_idle_server_ends_quickly_on_sigterm_and_sigint(self):
        with Server() as server:
            for signal_ in (signal.SIGTERM, signal.SIGINT):
                begun = time.monotonic()
                server.process.send_signal(signal_)
                self.assertEqual(server.wait(), 0)
                self.assertLess(time.monotonic() - begun, 3 * FACTOR)
                server.start()

    async def test_while_draining_ready_says_503_and_new_connections_are_refused(self):
        # A client that never answers the close frame keeps the drain going until its deadline.
        with Server(DRAIN_MS=10000) as server:
            with RawSocket.login(server, server.token("a")) as stubborn:
                server.terminate()
                self.assertEqual(stubborn.read_close()[0], 1001)
                ready = server.http("GET", "/ready")
                self.assertEqual((ready.status, ready.json["status"]), (503, "not_ready"))
                with self.assertRaises((websockets.InvalidStatusCode, OSError)) as refused:
                    await Client.connect(server)
                if isinstance(refused.exception, websockets.InvalidStatusCode):
                    self.assertEqual(refused.exception.status_code, 503)
            self.assertEqual(server.wait(), 0)

    async def test_nothing_is_left_to_recover_after_an_orderly_end(self):
        with Server() as server:
            server.post("general", "x")
            server.stop()
            left = [f for f in server.data.glob("*-wal") if f.stat().st_size > 0]
            self.assertEqual(left, [], "the log was not checkpointed")


class TwoServers(AsyncCase):
    """What happens where two servers run on one data folder: they share the log, as a server and a command do. Presence, typing and rates
    are each one's own."""

    async def test_they_serve_one_log_in_one_order_and_either_may_die(self):
        with Server() as first:
            first.make_room("shared", members=["alice", "bob"])
            second = Server(folder=first.folder)
            second.starts = 100  # a log file of its own
            self.addCleanup(second.close)
            second.start()
            a = await Client.login(first, first.token("alice"))
            b = await Client.login(second, first.token("bob"))
            await a.join("shared")
            await b.join("shared", after=(await a.ask("join", room_id="shared"))["last_id"])
            for i in range(10):
                await a.post("shared", f"a{i}", client_id=f"a{i}")
                await b.post("shared", f"b{i}", client_id=f"b{i}")
            for c in (a, b):
                while len(c.messages("shared")) < 20:
                    await c.recv()
                ids = [e["data"]["id"] for e in c.events["shared"] if e["type"] == "message"]
                self.assertEqual(ids, list(range(ids[0], ids[0] + 20)))
            self.assertEqual(a.messages("shared"), b.messages("shared"))
            first.call("POST", "/api/users/bob/revoke", status=204)
            self.assertEqual((await b.closed())[0], 4500, "what one revokes is closed by the other")
            second.kill()
            await a.post("shared", "alone now")
            await a.close()
            self.assertEqual(first.run("check").code, 0)


class Folder(unittest.TestCase):
    def setUp(self):
        watch(self)

    def refused(self, server, *words):
        """`serve` on this folder ends by itself, with words and a code other than 0."""
        outcome = server.run("serve", env={"CONFAB_PORT": "0"})
        self.assertNotEqual(outcome.code, 0)
        self.assertLess(outcome.code, 128, "it was killed by a signal")
        self.assertGreater(outcome.code, 0, "it was killed by a signal")
        for word in words:
            self.assertIn(word, outcome.err)
        self.assertNotIn("listening", outcome.out)
        return outcome

    def test_a_folder_is_free_again_after_kill_9(self):
        with Server() as server:
            server.kill()
            server.start()

    def test_a_database_of_a_newer_confab_is_refused_and_left_alone(self):
        with Server() as server:
            server.stop()
            file = server.data / "confab.db"
            db = sqlite3.connect(file)
            db.execute("PRAGMA user_version = 999")
            db.commit()
            db.close()
            before = file.read_bytes()
            self.refused(server, "newer")
            self.assertEqual(file.read_bytes(), before)
            self.assertNotEqual(server.run("check").code, 0)

    def test_a_file_that_is_no_database_is_refused_and_left_alone(self):
        with Server() as server:
            server.stop()
            file = server.data / "confab.db"
            file.write_bytes(b"These are not the bytes you are looking for. " * 200)
            self.refused(server)
            self.assertTrue(file.read_bytes().startswith(b"These are not"))

    def test_a_damaged_database_is_refused_in_words(self):
        with Server() as server:
            fill(server, "general", 200, "x" * 1000)
            server.stop()
            file = server.data / "confab.db"
            content = bytearray(file.read_bytes())
            self.assertGreater(len(content), 100_000)
            content[100:4096] = os.urandom(3996)  # the schema's page, header excepted
            file.write_bytes(content)
            self.refused(server)

    def test_the_database_of_another_program_is_refused_and_left_alone(self):
        with Server() as server:
            server.stop()
            file = server.data / "confab.db"
            for suffix in ("", "-wal", "-shm"):
                pathlib.Path(str(file) + suffix).unlink(missing_ok=True)
            db = sqlite3.connect(file)
            db.execute("CREATE TABLE cookies (id INTEGER)")
            db.commit()
            db.close()
            before = file.read_bytes()
            self.refused(server)
            self.assertEqual(file.read_bytes(), before)

    def test_a_changed_migration_is_noticed(self):
        with Server() as server:
            server.stop()
            db = sqlite3.connect(server.data / "confab.db")
            with db:
                db.execute("UPDATE migrations SET sha256 = ?", ("0" * 64,))
            db.close()
            self.refused(server)

    def test_a_folder_that_cannot_be_made_is_refused_by_name(self):
        with Server() as server:
            server.stop()
            blocker = server.folder / "file"
            blocker.write_text("in the way")
            outcome = server.run("serve", env={"CONFAB_DATA": str(blocker / "data")})
            self.assertNotEqual(outcome.code, 0)
            self.assertIn(str(blocker), outcome.err)


if __name__ == "__main__":
    unittest.main()
