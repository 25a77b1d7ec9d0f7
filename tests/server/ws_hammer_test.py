"""Delivery under load: nothing lost, doubled or out of order, whoever comes and goes, however slowly they read."""
import asyncio
import json
import random
import time
import unittest

from confab_client import PING, PONG, Client, RawSocket, fill, frame
from confab_server import SLOW, AsyncCase, Server, ServerCase, until, watch


class Transcript:
    """What one reader has seen of a room, over all its connections. Every id must be the one after the last."""

    def __init__(self):
        self.last = None
        self.epoch = None
        self.texts = {}
        self.faults = []
        self.caught_up_at = None

    def take(self, got):
        kind = got["type"]
        if kind == "joined":
            if got["recovery"] == "fresh":
                self.last = got["last_id"]
            elif got["recovery"] != "resumed":
                self.faults.append(f"recovery {got['recovery']}")
            self.epoch = got["epoch"]
            self.caught_up_at = got["last_id"]
        elif kind == "caught_up":
            if self.last < self.caught_up_at or got["last_id"] != self.caught_up_at:
                self.faults.append(f"caught up to {got['last_id']} at {self.last}, joined at {self.caught_up_at}")
        elif "data" in got:
            if got["data"]["id"] != self.last + 1:
                self.faults.append(f"{got['data']['id']} after {self.last}")
            self.last = got["data"]["id"]
            if kind == "message":
                self.texts[self.last] = got["data"]["message"]


class Hammer(ServerCase):
    settings = {"RING_BYTES": 8192, "LOOPS": 2}  # a small ring, so that cursors fall out of it

    async def test_fifty_clients_that_come_and_go_miss_nothing_and_see_nothing_twice(self):
        rng = random.Random(7)
        room = self.room()
        names = [self.fresh("reader-") for _ in range(50)]
        tokens = self.server.add_users(*names)
        writer = await Client.login(self.server, self.token(self.users("writer")))
        await writer.join(room)
        total = 300 if SLOW else 1000
        done = asyncio.Event()

        async def write():
            for i in range(total):
                await writer.send(type="chat_message", room_id=room, message=f"{i} " + "x" * rng.randrange(80), client_id=str(i))
                if i % 20 == 19:
                    await writer.wait("ack", client_id=str(i))
            done.set()  # whoever joins from now on stops at caught_up; whoever has joined sees the end come
            await writer.post(room, "the end")

        async def one_visit(name, transcript, leave_politely):
            c = await Client.login(self.server, tokens[name])
            cursor = {} if transcript.last is None else {"after": transcript.last, "epoch": transcript.epoch}
            await c.send(type="join", room_id=room, **cursor)
            finishing = done.is_set()
            for _ in range(rng.randrange(1, 200)):
                got = await c.recv()
                transcript.take(got)
                if (got["type"] == "caught_up" and finishing) or got.get("data", {}).get("message") == "the end":
                    break
            if leave_politely:
                await c.send(type="leave", room_id=room)
                while True:
                    got = await c.recv()
                    transcript.take(got)
                    if got["type"] == "left":
                        break
                await c.close()
            else:
                await c.abort()

        async def read(name):
            transcript = Transcript()
            while not done.is_set():
                try:
                    await asyncio.wait_for(one_visit(name, transcript, rng.random() < 0.5), 60 * (6 if SLOW else 1))
                except asyncio.TimeoutError:
                    transcript.faults.append("stuck")
                    break
            # The last visit: everything up to the end.
            async with await Client.login(self.server, tokens[name]) as c:
                await c.send(type="join", room_id=room, after=transcript.last, epoch=transcript.epoch)
                while True:
                    got = await c.recv()
                    transcript.take(got)
                    if got["type"] == "caught_up":
                        break
            return transcript

        results = await asyncio.gather(write(), *(read(n) for n in names))
        await writer.close()
        log = {e["data"]["id"]: e["data"]["message"] for e in self.server.events(room) if e["type"] == "message"}
        self.assertEqual(len(log), total + 1)
        for name, transcript in zip(names, results[1:]):
            self.assertEqual(transcript.faults, [], name)
            self.assertTrue(transcript.texts)
            self.assertEqual(transcript.texts, {i: log[i] for i in transcript.texts})
        self.assertGreater(self.server.metric("confab_replayed_events_total"), 0)

    async def test_events_that_are_posted_while_joining_are_neither_lost_nor_doubled(self):
        room = self.room()
        tokens = self.server.add_users(*(self.fresh("joiner-") for _ in range(20))).values()
        writer = await Client.login(self.server, self.token(self.users("writer")))
        await writer.join(room)
        stop = asyncio.Event()

        async def write():
            n = 0
            while not stop.is_set():
                await writer.post(room, f"{n}")
                n += 1
            return n

        async def join_often(token):
            faults = []
            async with await Client.login(self.server, token) as c:
                for _ in range(5 if SLOW else 25):
                    t = Transcript()
                    await c.send(type="join", room_id=room)
                    while t.last is None or t.last < t.caught_up_at + 3:
                        t.take(await c.recv())
                    faults += t.faults
                    await c.send(type="leave", room_id=room)
                    await c.wait("left")
            return faults

        writing = asyncio.create_task(write())
        for faults in await asyncio.gather(*(join_often(t) for t in tokens)):
            self.assertEqual(faults, [])
        stop.set()
        self.assertGreater(await writing, 0)
        await writer.close()

    async def test_several_writers_in_several_rooms_are_seen_in_the_same_order_by_all(self):
        rooms = [self.room() for _ in range(4)]
        names = [self.fresh("both-") for _ in range(12)]
        tokens = self.server.add_users(*names)
        clients = [await Client.login(self.server, t) for t in tokens.values()]
        for c in clients:
            for room in rooms:
                await c.join(room)
        each = 30

        async def speak(c, name):
            for i in range(each):
                await c.send(type="chat_message", room_id=rooms[i % 4], message=f"{name} {i}")

        async def listen(c):
            while sum(len(c.messages(r)) for r in rooms) < each * len(clients):
                await c.recv()

        await asyncio.gather(*(speak(c, n) for c, n in zip(clients, names)), *(listen(c) for c in clients))
        for room in rooms:
            reference = [(e["data"]["id"], e["data"]["message"]) for e in self.server.events(room) if e["type"] == "message"]
            for c in clients:
                self.assertEqual([(e["data"]["id"], e["data"]["message"]) for e in c.events[room] if e["type"] == "message"], reference)
            for name in names:
                own = [int(m.split()[1]) for _, m in reference if m.split()[0] == name]
                self.assertEqual(own, sorted(own), "one sender's messages keep their order")
        for c in clients:
            await c.close()


class SlowReader(AsyncCase):
    async def test_a_reader_that_stops_reading_holds_up_nobody_costs_little_memory_and_gets_everything_later(self):
        with Server() as server:
            room = server.make_room("flood", members=["slow", "quick"])
            quick = await Client.login(server, server.token("quick"))
            await quick.join(room)

            async def flood():
                """10 MB; how much the server's memory grew."""
                before = server.private_memory()
                for i in range(1250):
                    await quick.send(type="chat_message", room_id=room, message=f"{i} " + "y" * 8000)
                    if i % 25 == 24:
                        await quick.wait("message", data={"message": f"{i} " + "y" * 8000})
                return server.private_memory() - before

            without = await flood()
            stalled = RawSocket.login(server, server.token("slow"), receive_buffer=16384)
            stalled.send({"type": "join", "room_id": room, "after": 0})
            grown = await flood()
            last = quick.ids(room)[-1]
            if not SLOW:  # sanitizers keep freed memory for a while
                self.assertLess(grown - without, 4 << 20, "memory grows with what the reader does not take")
            self.assertGreater(server.metric("confab_slow_reader_pauses_total"), 0)
            seen = []
            while not seen or seen[-1] < last:
                got = stalled.read()
                if "data" in got:
                    seen.append(got["data"]["id"])
            self.assertEqual(seen, list(range(1, last + 1)))
            stalled.close()
            await quick.close()


class Nobody(unittest.TestCase):
    def test_a_peer_that_takes_nothing_for_too_long_is_closed_and_frees_its_place(self):
        watch(self)
        with Server(SEND_TIMEOUT_MS=500, HEARTBEAT_MS=200) as server:
            room = server.make_room("flood", members=["slow"])
            RawSocket.login(server, server.token("slow")).close()  # the first connection opens some that stay
            until(lambda: server.active_connections() == 0, "everyone to be gone")
            descriptors = server.descriptors()
            stalled = RawSocket.login(server, server.token("slow"), receive_buffer=4096)
            stalled.send({"type": "join", "room_id": room})
            stalled.read_type("caught_up")
            fill(server, room, 300, "z" * 16000)
            until(lambda: server.active_connections() == 0, "the stalled connection to be closed")
            until(lambda: server.descriptors() <= descriptors, "its descriptor to be closed")
            stalled.read_end()
            stalled.close()

    def test_a_peer_that_reads_slowly_but_steadily_is_not_closed(self):
        watch(self)
        with Server(SEND_TIMEOUT_MS=500 * (6 if SLOW else 1), HEARTBEAT_MS=200 * (6 if SLOW else 1)) as server:
            room = server.make_room("flood", members=["slow"])
            reader = RawSocket.login(server, server.token("slow"), receive_buffer=4096)
            reader.send({"type": "join", "room_id": room})
            reader.read_type("caught_up")
            last = fill(server, room, 200, "z" * 16000)[-1]
            begun = time.monotonic()
            seen = 0
            while seen < last:
                opcode, payload = reader.read_frame()
                if opcode == PING:
                    reader.send(frame(PONG, payload))
                elif opcode == 1 and b'"data"' in payload:
                    seen = json.loads(payload)["data"]["id"]
                    if time.monotonic() - begun < 2.5:
                        time.sleep(0.02)  # this is the slowness under test: a pace, no wait for anything
            self.assertEqual(seen, last)
            reader.close()


if __name__ == "__main__":
    unittest.main()
