"""A full disk, for real: a small tmpfs that a file fills up. Root only; where mounting is not permitted the tests are skipped, and say so."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "server"))

from confab_client import Client
from confab_server import AsyncCase, Server, until


def mount():
    """A folder on a tmpfs of its own, or the reason why there is none."""
    folder = tempfile.mkdtemp(prefix="confab-disk-")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, text=True)
    if done.returncode != 0:
        os.rmdir(folder)
        return None, done.stderr.strip() or "mount failed"
    return folder, None


def unmount(folder):
    subprocess.run(["umount", "-l", folder], check=False)
    shutil.rmtree(folder, ignore_errors=True)


class DiskFull(AsyncCase):
    def setUp(self):
        super().setUp()
        folder, why = mount() if shutil.which("mount") else (None, "there is no mount command")
        if not folder:
            self.skipTest(f"a tmpfs cannot be mounted here: {why}")
        self.addCleanup(unmount, folder)
        self.folder = pathlib.Path(folder)
        # Its log lies elsewhere: it must be able to complain.
        self.logs = tempfile.mkdtemp(prefix="confab-disk-logs-")
        self.addCleanup(shutil.rmtree, self.logs, True)
        self.server = Server(folder=self.logs)
        self.server.data = self.folder / "data"
        self.addCleanup(self.server.close)
        self.server.start()
        self.server.add_users("root", role="admin")
        self.server.add_users("alice")

    def fill(self):
        """Takes all space that is left."""
        with open(self.folder / "ballast", "wb", buffering=0) as f:
            for size in (65536, 4096, 512, 1):
                try:
                    while True:
                        f.write(b"\0" * size)
                except OSError:
                    pass

    def refusal(self):
        """The answer to a small message that did not fit, or None where it did."""
        answer = self.server.http("POST", "/api/rooms/general/messages", {"message": "x"}, token=self.server.admin)
        return None if answer.status == 201 else answer

    def write_until_full(self):
        """SQLite's -wal has room of its own, and each copy of it to the database makes some again: writes go on until that is used up."""
        for i in range(2000):
            answer = self.server.http("POST", "/api/rooms/general/messages", {"message": f"{i} " + "x" * 4000}, token=self.server.admin)
            if answer.status != 201 and self.refusal():
                return answer
        self.fail("the disk does not fill up")

    async def test_a_full_disk_refuses_writes_keeps_reading_and_recovers_by_itself(self):
        token = self.server.token("alice")
        before = self.server.post("general", "before", token=token)
        live = await Client.login(self.server, token)
        await live.join("general")
        self.fill()
        refused = self.write_until_full()
        self.assertEqual((refused.status, refused.code), (503, "disk_full"))
        self.assertGreaterEqual(int(refused.header("Retry-After")), 1)
        acked = [e["data"]["id"] for e in self.server.events("general")]
        for i in range(100):
            answer = await live.ask("chat_message", room_id="general", message="x" * 4000, client_id=f"k{i}")
            if answer["type"] == "error":
                break
        self.assertEqual((answer["type"], answer["code"], answer["client_id"]), ("error", "disk_full", f"k{i}"))
        ready = until(lambda: self.refusal() and (r := self.server.http("GET", "/ready")).status == 503 and r, "the server to say that it is not ready")
        self.assertEqual(ready.json["status"], "not_ready")
        self.assertEqual(self.server.http("GET", "/health").status, 200, "the process lives")
        page = self.server.http("GET", f"/api/rooms/general/messages/{before['id']}", token=token)
        self.assertEqual((page.status, page.json["message"]), (200, "before"))
        self.assertEqual((await live.ask("ping"))["type"], "pong", "the connection stays")
        os.unlink(self.folder / "ballast")
        until(lambda: self.server.is_ready(), "the server to be ready again")
        after = await live.ask("chat_message", room_id="general", message="after", client_id=f"k{i}")
        self.assertEqual((after["type"], after["duplicate"]), ("ack", False))
        ids = [e["data"]["id"] for e in self.server.events("general")]
        self.assertEqual(ids, list(range(1, len(ids) + 1)), "no hole")
        self.assertEqual(ids[: len(acked)], acked)
        while not live.ids("general") or live.ids("general")[-1] < after["id"]:
            await live.recv()
        self.assertEqual(live.ids("general"), list(range(live.ids("general")[0], after["id"] + 1)))
        await live.close()
        self.server.restart()
        self.assertEqual([e["data"]["id"] for e in self.server.events("general")], ids)
        self.assertEqual(self.server.run("check").code, 0)

    async def test_a_server_that_is_stopped_on_a_full_disk_ends_in_order_and_loses_nothing(self):
        self.fill()
        self.assertEqual(self.write_until_full().code, "disk_full")
        ids = [e["data"]["id"] for e in self.server.events("general")]
        self.server.stop()
        os.unlink(self.folder / "ballast")
        self.server.start()
        self.assertEqual([e["data"]["id"] for e in self.server.events("general")][: len(ids)], ids)

    async def test_a_start_on_a_full_disk_ends_in_words(self):
        self.server.stop()
        shutil.rmtree(self.server.data)
        self.fill()
        outcome = self.server.run("serve")
        self.assertNotEqual(outcome.code, 0)
        self.assertTrue(outcome.err)
        self.assertGreater(outcome.code, 0, "it was killed by a signal")


if __name__ == "__main__":
    unittest.main()
