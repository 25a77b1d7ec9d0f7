"""kill -9 under load: what was acknowledged is in every reader's transcript, once and in order."""
import asyncio
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "server"))

import websockets

from confab_client import Client, Closed
from confab_server import SLOW, AsyncCase, Server

SENDERS = READERS = 20
EACH = 25 if SLOW else 120
KILLS = 3 if SLOW else 5
BROKEN = (Closed, OSError, EOFError, asyncio.TimeoutError, websockets.InvalidHandshake, websockets.ConnectionClosed, AssertionError)


class Run:
    """What everyone saw."""

    def __init__(self, server):
        self.server = server
        self.acked = {}      # (sender, client_id) -> id
        self.sent = 0
        self.duplicates = 0
        self.strike = None   # an Event: the next one to send kills the server, so that the kill meets a message under way
        self.finished = asyncio.Event()
        self.up = asyncio.Event()
        self.faults = []

    async def login(self, token):
        """Tries until the server is there."""
        while True:
            await self.up.wait()
            try:
                return await Client.login(self.server, token)
            except BROKEN:
                await asyncio.sleep(0.01)  # a back-off between attempts, as any client has


async def send(run, name, token, rng):
    """Sends EACH messages, a few in flight, and retries what is not acknowledged by its client_id."""
    todo = {f"{name}-{i}": f"{name} says {i}" for i in range(EACH)}
    while todo:
        client = await run.login(token)
        try:
            await client.join("crash")
            while todo:
                batch = list(todo)[: rng.randrange(1, 8)]
                for key in batch:
                    await client.send(type="chat_message", room_id="crash", message=todo[key], client_id=key)
                    run.sent += 1
                if run.strike:
                    run.up.clear()
                    run.server.kill()
                    run.strike.set()
                    run.strike = None
                for _ in batch:
                    ack = await client.wait("ack")
                    key = (name, ack["client_id"])
                    run.duplicates += ack["duplicate"]
                    if run.acked.setdefault(key, ack["id"]) != ack["id"]:
                        run.faults.append(f"{key} was acknowledged as {run.acked[key]} and as {ack['id']}")
                    todo.pop(ack["client_id"], None)
        except BROKEN:
            pass
        finally:
            client.ws.transport.abort()


async def read(run, token, rng):
    """Follows the room with a cursor, over all crashes, and now and then drops the connection by itself."""
    seen = []
    epoch = None
    last = 0
    while True:
        finishing = run.finished.is_set()
        client = await run.login(token)
        try:
            joined = await client.ask("join", room_id="crash", after=last, **({"epoch": epoch} if epoch else {}))
            if joined["type"] != "joined" or joined["recovery"] != "resumed":
                run.faults.append(f"joined after {last}: {joined}")
                return seen
            epoch = joined["epoch"]
            patience = rng.randrange(100, 1500)
            while patience:
                # With everything sent, caught_up is the end; before that, wait for more.
                got = await client.recv(deadline=0.3 if run.finished.is_set() and not finishing else None)
                patience -= 1
                if "data" in got:
                    if got["data"]["id"] != last + 1:
                        run.faults.append(f"{got['data']['id']} came after {last}")
                    last = got["data"]["id"]
                    seen.append(got)
                elif got["type"] == "caught_up" and finishing:
                    return seen
        except BROKEN:
            pass
        finally:
            client.ws.transport.abort()


async def kill(run, rng):
    """Ends the server without a word, again and again, each time after some more messages, and starts it anew on the same folder."""
    for n in range(KILLS):
        goal = len(run.acked) + SENDERS * EACH // (KILLS + 2)
        while len(run.acked) < min(goal, SENDERS * EACH * 9 // 10):
            await asyncio.sleep(0.005)
        struck = run.strike = asyncio.Event()
        await struck.wait()
        run.server.start()
        run.up.set()


class Kill(AsyncCase):
    async def test_every_acknowledged_message_is_in_every_transcript_once_and_in_order(self):
        rng = random.Random(20)
        with Server(RING_BYTES=16384) as server:
            senders, readers = [f"sender-{i}" for i in range(SENDERS)], [f"reader-{i}" for i in range(READERS)]
            tokens = server.add_users(*senders, *readers)
            server.make_room("crash", members=[*senders, *readers])
            run = Run(server)
            run.up.set()
            reading = [asyncio.create_task(read(run, tokens[r], random.Random(i))) for i, r in enumerate(readers)]
            sending = [asyncio.create_task(send(run, s, tokens[s], random.Random(i))) for i, s in enumerate(senders)]
            await kill(run, rng)
            await asyncio.gather(*sending)
            run.finished.set()
            transcripts = await asyncio.gather(*reading)
            self.assertEqual(run.faults, [])
            self.assertEqual(len(run.acked), SENDERS * EACH)
            self.assertGreater(run.sent, SENDERS * EACH, "the kills hit nobody")
            log = server.events("crash")
            self.assertEqual([e["data"]["id"] for e in log], list(range(1, len(log) + 1)))
            texts = [e["data"]["message"] for e in log if e["type"] == "message"]
            self.assertEqual(len(texts), len(set(texts)), "a retry was stored twice")
            self.assertEqual(len(texts), SENDERS * EACH)
            by_id = {e["data"]["id"]: e["data"] for e in log}
            for (sender, key), number in run.acked.items():
                self.assertEqual((by_id[number]["user_id"], by_id[number]["client_id"]), (sender, key))
            for name, transcript in zip(readers, transcripts):
                self.assertEqual(transcript, log, name)
            self.assertEqual(server.run("check").code, 0)
            print(f"kills {KILLS}, sent {run.sent}, acknowledged {len(run.acked)}, told to be duplicates {run.duplicates}, "
                  f"deliveries {sum(map(len, transcripts))}, lost 0, doubled 0, out of order 0", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
