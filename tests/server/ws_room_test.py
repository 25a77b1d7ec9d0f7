"""Rooms as a live client sees them: joining with a cursor, leaving, who is here, who may be here."""
import asyncio
import sqlite3
import unittest

from confab_client import Client, fill
from confab_server import AsyncCase, Server, ServerCase, until


class Joining(ServerCase):
    async def client(self, prefix="alice"):
        return await Client.login(self.server, self.token(self.users(prefix)))

    def fill(self, room, n, text="line"):
        return fill(self.server, room, n, text)

    async def test_a_fresh_join_gets_only_what_comes_from_now_on(self):
        room = self.room()
        self.fill(room, 3)
        c = await self.client()
        joined = await c.join(room, ref="r1")
        self.assertEqual(joined["recovery"], "fresh")
        for member in ("last_id", "first_id", "epoch", "role", "name", "topic", "kind", "archived", "online"):
            self.assertIn(member, joined)
        self.assertEqual(joined["epoch"], c.hello["epoch"])
        self.server.post(room, "new")
        self.assertEqual((await c.wait("message"))["data"]["id"], joined["last_id"] + 1)
        self.assertEqual(c.messages(room), ["new"])
        await c.close()

    async def test_a_resumed_join_replays_everything_after_the_cursor_and_then_says_caught_up(self):
        room = self.room()
        self.fill(room, 20)
        c = await self.client()
        first = await c.join(room)
        await c.ask("leave", room_id=room)
        missed = self.fill(room, 7, "missed")
        joined = await c.ask("join", room_id=room, after=first["last_id"], epoch=first["epoch"])
        self.assertEqual((joined["recovery"], joined["last_id"]), ("resumed", missed[-1]))
        frames = [await c.recv() for _ in range(len(missed) + 1)]
        self.assertEqual([f["data"]["id"] for f in frames[:-1]], missed)
        self.assertEqual(frames[-1], {"type": "caught_up", "room_id": room, "last_id": missed[-1]})
        await c.close()

    async def test_a_join_from_the_start_replays_the_whole_log_as_rest_tells_it(self):
        room = self.room()
        self.fill(room, 30)
        c = await self.client()
        await c.join(room)
        await c.ask("leave", room_id=room)
        await c.join(room, after=0)
        self.assertEqual(c.events[room][-len(self.server.events(room)):], self.server.events(room))
        self.assertEqual(c.ids(room), list(range(1, len(c.ids(room)) + 1)))
        await c.close()

    async def test_a_replay_longer_than_the_ring_is_read_from_the_store_without_a_hole(self):
        room = self.room()
        ids = self.fill(room, 300, "x" * 2000)  # twice CONFAB_RING_BYTES
        c = await self.client()
        await c.join(room, after=0)
        self.assertEqual(c.ids(room)[: ids[-1]], list(range(1, ids[-1] + 1)))
        await c.close()

    async def test_a_cursor_at_the_end_is_caught_up_at_once(self):
        room = self.room()
        last = self.fill(room, 3)[-1]
        c = await self.client()
        joined = await c.join(room)
        joined = await c.ask("join", room_id=room, after=joined["last_id"])
        self.assertEqual(joined["recovery"], "resumed")
        self.assertEqual((await c.recv())["type"], "caught_up")
        self.assertGreaterEqual(joined["last_id"], last)
        await c.close()

    async def test_a_cursor_beyond_the_end_is_answered_epoch_changed(self):
        room = self.room()
        last = self.fill(room, 3)[-1]
        c = await self.client()
        joined = await c.join(room, after=last + 100)
        self.assertEqual(joined["recovery"], "epoch_changed")
        self.server.post(room, "live")
        self.assertEqual((await c.wait("message"))["data"]["id"], joined["last_id"] + 1)
        self.assertEqual(len(c.events[room]), 1)
        await c.close()

    async def test_a_foreign_epoch_is_answered_epoch_changed_and_nothing_is_replayed(self):
        room = self.room()
        self.fill(room, 3)
        c = await self.client()
        joined = await c.join(room, after=1, epoch="0" * 32)
        self.assertEqual(joined["recovery"], "epoch_changed")
        self.assertEqual(c.ids(room), [])
        await c.close()

    async def test_a_negative_or_odd_cursor_is_refused(self):
        room = self.room()
        c = await self.client()
        for after in (-1, -5, "7", 1.5, True):
            with self.subTest(after=after):
                self.assertEqual((await c.ask("join", room_id=room, after=after))["code"], "invalid_field")
        await c.close()

    async def test_joining_again_moves_the_cursor(self):
        room = self.room()
        ids = self.fill(room, 10)
        c = await self.client()
        await c.join(room)
        joined = await c.ask("join", room_id=room, after=ids[4])
        await c.wait("caught_up")
        self.assertEqual(c.ids(room), list(range(ids[4] + 1, joined["last_id"] + 1)))
        self.server.post(room, "live")
        await c.wait("message", data={"message": "live"})
        self.assertEqual(len([e for e in c.log if e.get("data", {}).get("message") == "live"]), 1)
        await c.close()

    async def test_joining_again_while_a_replay_is_under_way_moves_the_cursor_and_keeps_the_connection(self):
        room = self.room()
        ids = self.fill(room, 200, "y" * 2000)
        for turn in range(10):
            c = await self.client()
            await c.join(room)
            await c.ask("leave", room_id=room)
            await c.send(type="join", room_id=room, after=ids[20], ref="first")
            await c.send(type="join", room_id=room, after=0, ref="second")
            await c.wait("joined", ref="second")
            start = len(c.log)
            second = c.log[-1]
            await c.wait("caught_up", last_id=second["last_id"])
            got = [f["data"]["id"] for f in c.log[start:] if "data" in f]
            self.assertEqual(got, list(range(1, second["last_id"] + 1)), f"turn {turn}")
            await c.close()

    async def test_the_cursor_of_one_room_does_not_wait_for_another(self):
        rooms = [self.room() for _ in range(3)]
        for room in rooms:
            self.fill(room, 150, "z" * 2000)
        c = await self.client()
        for room in rooms:
            await c.send(type="join", room_id=room, after=0)
        for _ in rooms:
            await c.wait("caught_up")
        for room in rooms:
            self.assertEqual(c.ids(room)[:150], list(range(1, 151)))
        await c.close()

    async def test_leaving_ends_the_events_of_that_room_only(self):
        here, there = self.room(), self.room()
        c = await self.client()
        await c.join(here)
        await c.join(there)
        left = await c.ask("leave", room_id=here)
        self.assertEqual((left["type"], left["room_id"]), ("left", here))
        self.server.post(here, "unheard")
        self.server.post(there, "heard")
        await c.wait("message", data={"message": "heard"})
        self.assertEqual(c.messages(here), [])
        await c.close()

    async def test_leaving_a_room_one_is_not_in_is_refused(self):
        c = await self.client()
        answer = await c.ask("leave", room_id=self.room())
        self.assertEqual((answer["type"], answer["code"]), ("error", "not_joined"))
        await c.close()

    async def test_leaving_live_keeps_the_membership(self):
        name, room = self.users("alice"), self.room()
        async with await Client.login(self.server, self.token(name)) as c:
            await c.join(room)
            await c.ask("leave", room_id=room)
        members = self.server.call("GET", f"/api/rooms/{room}/members")["items"]
        self.assertIn(name, [m["user_id"] for m in members])

    async def test_the_first_join_of_a_public_room_is_an_event_and_the_second_is_not(self):
        name, room = self.users("alice"), self.room()
        async with await Client.login(self.server, self.token(name)) as c:
            await c.join(room)
            await c.ask("leave", room_id=room)
            await c.join(room)
        joins = [e for e in self.server.events(room) if e["type"] == "member_joined" and e["data"]["member_id"] == name]
        self.assertEqual(len(joins), 1)

    async def test_posting_into_a_public_room_joins_it(self):
        name, room = self.users("alice"), self.room()
        async with await Client.login(self.server, self.token(name)) as c:
            ack = await c.post(room, "here I am", client_id="k1")
            await c.wait("message", data={"message": "here I am", "id": ack["id"], "client_id": "k1"})
            self.assertIn("joined", [f["type"] for f in c.log])
            self.server.post(room, "welcome")
            await c.wait("message", data={"message": "welcome"})

    async def test_posts_pipelined_into_a_room_not_joined_stay_in_order(self):
        name, room = self.users("alice"), self.room()
        async with await Client.login(self.server, self.token(name)) as c:
            for i in range(20):
                await c.send(type="chat_message", room_id=room, message=str(i))
            await c.wait("message", data={"message": "19"})
            self.assertEqual(c.messages(room), [str(i) for i in range(20)])
            self.assertEqual(len([f for f in c.log if f["type"] == "joined"]), 1)

    async def test_a_room_path_joins_by_itself_and_implies_the_room(self):
        name, room = self.users("alice"), self.room()
        async with await Client.login(self.server, self.token(name), f"/ws/chat/{room}") as c:
            await c.wait("joined", room_id=room)
            await c.send(type="chat_message", message="implied", ref="x")
            self.assertEqual((await c.wait("ack", ref="x"))["room_id"], room)
            await c.wait("message", data={"message": "implied", "room_id": room})

    async def test_a_room_path_with_an_unknown_room_closes_with_1008(self):
        async with await Client.connect(self.server, "/ws/chat/unknown") as c:
            await c.send(type="auth", token=self.token(self.users("alice")))
            self.assertEqual((await c.wait("error"))["code"], "room_not_found")
            code, reason = await c.closed()
            self.assertEqual((code, reason["code"]), (1008, "room_not_found"))

    async def test_an_unknown_room_is_refused_and_the_connection_stays(self):
        c = await self.client()
        self.assertEqual((await c.ask("join", room_id="nowhere"))["code"], "room_not_found")
        self.assertEqual((await c.ask("chat_message", room_id="nowhere", message="x", client_id="k"))["code"], "room_not_found")
        self.assertEqual((await c.ask("ping"))["type"], "pong")
        await c.close()

    async def test_a_private_room_refuses_a_non_member_with_a_reason(self):
        room = self.room("private")
        c = await self.client()
        for answer in (await c.ask("join", room_id=room), await c.ask("chat_message", room_id=room, message="let me in"),
                       await c.ask("history", room_id=room, after=0)):
            self.assertEqual((answer["type"], answer["code"]), ("error", "not_a_member"))
            self.assertEqual(answer["message"], "You are not a member of this room")
        await c.close()
        async with await Client.connect(self.server, f"/ws/chat/{room}") as c:
            await c.send(type="auth", token=self.token(self.users("bob")))
            self.assertEqual((await c.wait("error"))["code"], "not_a_member")
            self.assertEqual((await c.closed())[0], 1008)

    async def test_a_member_of_a_private_room_may_join_it(self):
        name = self.users("alice")
        room = self.room("private", [name])
        async with await Client.login(self.server, self.token(name)) as c:
            self.assertEqual((await c.join(room))["kind"], "private")
            await c.post(room, "between us")

    async def test_a_member_removed_from_a_private_room_hears_of_it_and_then_nothing_more(self):
        name = self.users("alice")
        room = self.room("private", [name])
        async with await Client.login(self.server, self.token(name)) as c:
            await c.join(room)
            self.server.call("DELETE", f"/api/rooms/{room}/members/{name}", status=204)
            await c.wait("member_left", data={"member_id": name})
            await c.wait("left", room_id=room)
            self.server.post(room, "now that they are gone")
            self.assertEqual(await c.settled(), [])
            self.assertEqual((await c.ask("join", room_id=room))["code"], "not_a_member")
            self.assertEqual((await c.ask("chat_message", room_id=room, message="let me back"))["code"], "not_a_member")

    async def test_a_deleted_room_ends_for_those_in_it(self):
        name, room = self.users("alice"), self.room()
        async with await Client.login(self.server, self.token(name)) as c:
            await c.join(room)
            self.server.call("DELETE", f"/api/rooms/{room}", status=204)
            await c.wait("room_deleted")
            await c.wait("left", room_id=room)
            self.assertEqual((await c.ask("join", room_id=room))["code"], "room_not_found")

    async def test_a_room_made_again_under_the_same_name_begins_at_one(self):
        name, room = self.users("alice"), self.room()
        async with await Client.login(self.server, self.token(name)) as c:
            await c.join(room)
            await c.post(room, "old")
            self.server.call("DELETE", f"/api/rooms/{room}", status=204)
            await c.wait("left")
            self.server.make_room(room)
            joined = await c.join(room, after=0)
            self.assertEqual(joined["first_id"], 1)
            self.assertNotIn("old", [e["data"].get("message") for e in self.server.events(room)])

    async def test_an_archived_room_refuses_posts_and_can_still_be_read(self):
        name, room = self.users("alice"), self.room()
        async with await Client.login(self.server, self.token(name)) as c:
            await c.join(room)
            await c.post(room, "before")
            self.server.call("POST", f"/api/rooms/{room}/archive", {})
            await c.wait("room_archived")
            refused = await c.ask("chat_message", room_id=room, message="after", client_id="late")
            self.assertEqual((refused["code"], refused["client_id"], refused["room_id"]), ("room_archived", "late", room))
            self.assertTrue((await c.join(room, after=0))["archived"])
            self.assertIn("before", c.messages(room))
            self.server.call("POST", f"/api/rooms/{room}/unarchive", {})
            await c.wait("room_unarchived")
            await c.post(room, "again")

    async def test_changes_of_name_topic_and_kind_are_events(self):
        name, room = self.users("alice"), self.room()
        async with await Client.login(self.server, self.token(name)) as c:
            await c.join(room)
            self.server.call("PATCH", f"/api/rooms/{room}", {"name": "New name", "topic": "New topic", "kind": "private"})
            self.assertEqual((await c.wait("room_renamed"))["data"]["name"], "New name")
            self.assertEqual((await c.wait("room_topic_changed"))["data"]["topic"], "New topic")
            self.assertEqual((await c.wait("room_kind_changed"))["data"]["kind"], "private")

    async def test_more_rooms_than_the_limit_are_refused(self):
        rooms = [self.room() for _ in range(6)]  # CONFAB_MAX_ROOMS_PER_CONNECTION is 5
        c = await self.client()
        for room in rooms[:5]:
            await c.join(room)
        self.assertEqual((await c.ask("join", room_id=rooms[5]))["code"], "too_many_rooms")
        await c.ask("leave", room_id=rooms[0])
        await c.join(rooms[5])
        await c.close()

    settings = {"MAX_ROOMS_PER_CONNECTION": 5, "RING_BYTES": 262144}


class Presence(ServerCase):
    async def login(self, name):
        return await Client.login(self.server, self.token(name))

    async def test_user_joined_comes_with_the_first_connection_and_user_left_with_the_last(self):
        room, alice, bob = self.room(), *self.users("alice", "bob")
        a = await self.login(alice)
        await a.join(room)
        first, second = await self.login(bob), await self.login(bob)
        await first.join(room)
        joined = await a.wait("user_joined")
        self.assertEqual((joined["user_id"], joined["room_id"], joined["online"]), (bob, room, 2))
        await second.join(room)
        await first.ask("leave", room_id=room)
        self.assertEqual([f for f in await a.settled() if f["type"].startswith("user_")], [])
        await second.close()
        left = await a.wait("user_left")
        self.assertEqual((left["user_id"], left["online"]), (bob, 1))
        self.assertEqual(len([f for f in a.log if f["type"].startswith("user_")]), 2)
        await first.close()
        await a.close()

    async def test_a_connection_that_breaks_counts_as_leaving(self):
        room, alice, bob = self.room(), *self.users("alice", "bob")
        a, b = await self.login(alice), await self.login(bob)
        await a.join(room)
        await b.join(room)
        await b.abort()
        self.assertEqual((await a.wait("user_left"))["user_id"], bob)
        await a.close()

    async def test_presence_lists_who_is_here(self):
        room, alice, bob = self.room(), *self.users("alice", "bob")
        a, b = await self.login(alice), await self.login(bob)
        await a.join(room)
        await b.join(room)
        here = await a.ask("presence", room_id=room)
        self.assertEqual((here["type"], here["online"], sorted(here["users"])), ("presence", 2, sorted([alice, bob])))
        await b.ask("leave", room_id=room)
        self.assertEqual((await a.ask("presence", room_id=room))["users"], [alice])
        await a.close()
        await b.close()

    async def test_presence_of_a_room_not_joined_is_refused(self):
        async with await self.login(self.users("alice")) as c:
            self.assertEqual((await c.ask("presence", room_id=self.room()))["code"], "not_joined")

    async def test_rest_tells_who_is_online(self):
        room, alice = self.room(), self.users("alice")
        a = await self.login(alice)
        await a.join(room)
        self.assertEqual(self.server.call("GET", f"/api/rooms/{room}")["online"], 1)
        members = {m["user_id"]: m["online"] for m in self.server.call("GET", f"/api/rooms/{room}/members")["items"]}
        self.assertEqual(members[alice], True)
        await a.close()
        until(lambda: self.server.call("GET", f"/api/rooms/{room}")["online"] == 0, "the room to be empty")

    async def test_a_crowd_gets_a_count_instead_of_names(self):
        room = self.room()
        names = [self.fresh("crowd-") for _ in range(105)]
        tokens = self.server.add_users(*names)
        watcher = await self.login(self.users("watcher"))
        await watcher.join(room)
        clients = await asyncio.gather(*(Client.login(self.server, tokens[n]) for n in names))
        for c in clients:
            await c.send(type="join", room_id=room)
        for c in clients:
            await c.wait("joined")
        count = await watcher.wait("presence")
        self.assertGreater(count["online"], 100)
        self.assertNotIn("users", count)
        self.assertLessEqual(len([f for f in watcher.log if f["type"] == "user_joined"]), 100)
        await asyncio.gather(*(c.close() for c in clients))
        await watcher.close()


class Retention(AsyncCase):
    async def test_what_retention_removed_is_told_as_a_gap_and_the_rest_follows(self):
        with Server() as server:
            alice = server.token("alice")
            server.make_room("old", members=["alice"])
            last = fill(server, "old", 20)[-1]
            server.stop()
            trim(server, "old", 12)
            server.start()
            async with await Client.login(server, alice) as c:
                joined = await c.join("old", after=3)
                self.assertEqual((joined["recovery"], joined["gap"]), ("gap", {"from": 4, "to": 12}))
                self.assertEqual(joined["first_id"], 13)
                self.assertEqual(c.ids("old"), list(range(13, last + 1)))
            async with await Client.login(server, alice) as c:  # right before what is left, nothing is missing
                joined = await c.join("old", after=12)
                self.assertEqual(joined["recovery"], "resumed")
                self.assertNotIn("gap", joined)
            page = server.call("GET", "/api/rooms/old/events?after=0")
            self.assertEqual((page["first_id"], page["items"][0]["data"]["id"]), (13, 13))


def trim(server, slug, upto):
    """What retention will do; there is no public way to it yet."""
    db = sqlite3.connect(server.data / "confab.db")
    db.execute("PRAGMA foreign_keys = ON")
    with db:
        (room,) = db.execute("SELECT id FROM rooms WHERE slug = ?", (slug,)).fetchone()
        removed = db.execute("DELETE FROM events WHERE room_id = ? AND seq <= ?", (room, upto)).rowcount
        db.execute("UPDATE rooms SET first_seq = ? WHERE id = ?", (upto + 1, room))
    db.close()
    assert removed == upto


class Restored(AsyncCase):
    async def test_a_restored_database_answers_epoch_changed(self):
        with Server() as server:
            alice = server.token("alice")
            server.make_room("r", members=["alice"])
            server.post("r", "kept")
            backup = server.folder / "backup.db"
            server.run("backup", backup, check=True)
            server.post("r", "lost by the restore")
            async with await Client.login(server, alice) as c:
                before = await c.join("r")
            server.stop()
            server.run("restore", backup, check=True)
            server.start()
            async with await Client.login(server, alice) as c:
                joined = await c.join("r", after=before["last_id"], epoch=before["epoch"])
                self.assertEqual(joined["recovery"], "epoch_changed")
                self.assertNotEqual(joined["epoch"], before["epoch"])
                self.assertEqual(c.ids("r"), [])
                self.assertEqual(joined["epoch"], server.call("GET", "/api/rooms/r/events")["epoch"])
            texts = [e["data"].get("message") for e in server.events("r")]
            self.assertIn("kept", texts)
            self.assertNotIn("lost by the restore", texts)


if __name__ == "__main__":
    unittest.main()
