"""What people say, live: messages, retries, edits, deletions, reactions, typing, read positions, history, errors."""
import re
import unittest

from confab_client import Client
from confab_server import AsyncCase, Server, ServerCase

TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


class Messages(ServerCase):
    async def pair(self):
        """Two people in a new room."""
        self.alice, self.bob = self.users("alice", "bob")
        self.here = self.room()
        a = await Client.login(self.server, self.token(self.alice))
        b = await Client.login(self.server, self.token(self.bob))
        for c in (a, b):
            await c.join(self.here)
            self.addAsyncCleanup(c.close)
        await a.wait("user_joined")
        return a, b

    async def test_a_message_is_acknowledged_and_reaches_everyone_the_sender_included(self):
        a, b = await self.pair()
        ack = await a.ask("chat_message", room_id=self.here, message="Grüße, 🌍", client_id="k1")
        self.assertEqual((ack["type"], ack["room_id"], ack["client_id"], ack["duplicate"]), ("ack", self.here, "k1", False))
        self.assertRegex(ack["timestamp"], TIMESTAMP)
        for c in (a, b):
            event = next((f for f in c.log if f["type"] == "message"), None) or await c.wait("message")
            self.assertEqual(event, {"type": "message", "data": {
                "id": ack["id"], "room_id": self.here, "user_id": self.alice, "timestamp": ack["timestamp"],
                "message": "Grüße, 🌍", "client_id": "k1"}})

    async def test_text_comes_back_byte_for_byte(self):
        a, b = await self.pair()
        for words in ('"quotes" \\ and / slashes', "line\nbreak\ttab\r", "\u0001\u001f control", "</script><b>&amp;", "💩" * 50, "é e\u0301", "\u2028\u2029",
                      "\ufeff bom", " " * 10, "\u202eright to left"):
            with self.subTest(words=words):
                await a.post(self.here, words)
                self.assertEqual((await b.wait("message"))["data"]["message"], words)
        rest = [m["message"] for m in self.server.call("GET", f"/api/rooms/{self.here}/messages")["items"]]
        self.assertEqual(rest, b.messages(self.here))

    async def test_a_lone_surrogate_and_u0000_are_refused(self):
        a, _ = await self.pair()
        for escaped in ('"\\ud800"', '"a\\u0000b"'):
            await a.send('{"type":"chat_message","ref":"r","room_id":"%s","message":%s}' % (self.here, escaped))
            self.assertIn((await a.wait("error"))["code"], ("invalid_json", "invalid_field"))
        self.assertEqual(a.messages(self.here), [])

    async def test_an_answer_repeats_ref_be_it_text_or_number(self):
        a, _ = await self.pair()
        for ref in ("x" * 64, "ümlaut", "", 0, -3, 2**53 - 1):
            with self.subTest(ref=ref):
                await a.send(type="ping", ref=ref)
                self.assertEqual((await a.wait("pong"))["ref"], ref)
                await a.send(type="nonsense", ref=ref)
                self.assertEqual((await a.wait("error"))["ref"], ref)
        await a.send(type="ping")
        self.assertNotIn("ref", await a.wait("pong"))

    async def test_a_ref_that_is_too_long_or_odd_is_refused(self):
        a, _ = await self.pair()
        for ref in ("x" * 65, 1.5, None, [], {}):
            with self.subTest(ref=ref):
                await a.send(type="ping", ref=ref)
                self.assertEqual((await a.wait("error"))["code"], "invalid_field")

    async def test_a_retry_with_the_same_client_id_gives_the_first_result(self):
        a, b = await self.pair()
        first = await a.post(self.here, "once", client_id="k")
        again = await a.post(self.here, "once", client_id="k")
        self.assertEqual((again["id"], again["timestamp"], again["duplicate"]), (first["id"], first["timestamp"], True))
        rest = self.server.http("POST", f"/api/rooms/{self.here}/messages", {"message": "once", "client_id": "k"}, token=self.token(self.alice))
        self.assertEqual((rest.status, rest.json["id"], rest.json["duplicate"]), (200, first["id"], True))
        await a.post(self.here, "marker")
        await b.wait("message", data={"message": "marker"})
        self.assertEqual(b.messages(self.here), ["once", "marker"])

    async def test_a_message_posted_by_rest_can_be_retried_on_the_websocket(self):
        a, _ = await self.pair()
        first = self.server.http("POST", f"/api/rooms/{self.here}/messages", {"message": "x", "client_id": "r"}, token=self.token(self.alice))
        self.assertEqual((first.status, first.json["duplicate"]), (201, False))
        again = await a.post(self.here, "x", client_id="r")
        self.assertEqual((again["id"], again["duplicate"]), (first.json["id"], True))

    async def test_the_same_client_id_of_another_user_or_in_another_room_is_another_message(self):
        a, b = await self.pair()
        other = self.room()
        ids = [(await a.post(self.here, "1", client_id="k")), (await b.post(self.here, "2", client_id="k")), (await a.post(other, "3", client_id="k"))]
        self.assertEqual([i["duplicate"] for i in ids], [False, False, False])

    async def test_retries_in_one_burst_are_stored_once(self):
        a, b = await self.pair()
        for _ in range(50):
            await a.send(type="chat_message", room_id=self.here, message="burst", client_id="same")
        acks = [await a.wait("ack") for _ in range(50)]
        self.assertEqual(len({k["id"] for k in acks}), 1)
        self.assertEqual([k["duplicate"] for k in acks], [False] + [True] * 49)
        self.assertEqual([m for m in (await self.all_messages(b)) if m == "burst"], ["burst"])

    async def all_messages(self, c):
        await c.settled()
        return c.messages(self.here)

    async def test_an_edit_reaches_everyone_and_the_rest_view(self):
        a, b = await self.pair()
        first = await a.post(self.here, "tpyo", client_id="m")
        edit = await a.ask("edit_message", room_id=self.here, id=first["id"], message="typo", client_id="e")
        self.assertEqual((edit["type"], edit["id"], edit["client_id"]), ("ack", first["id"] + 1, "e"))
        event = await b.wait("message_edited")
        self.assertEqual((event["data"]["target_id"], event["data"]["message"], event["data"]["id"]), (first["id"], "typo", edit["id"]))
        view = self.server.call("GET", f"/api/rooms/{self.here}/messages/{first['id']}")
        self.assertEqual((view["message"], view["edited_at"], view["id"]), ("typo", edit["timestamp"], first["id"]))
        again = await a.ask("edit_message", room_id=self.here, id=first["id"], message="typo", client_id="e")
        self.assertEqual((again["id"], again["duplicate"]), (edit["id"], True))

    async def test_only_the_author_may_edit(self):
        a, b = await self.pair()
        first = await a.post(self.here, "mine")
        self.assertEqual((await b.ask("edit_message", room_id=self.here, id=first["id"], message="yours"))["code"], "forbidden")
        async with await Client.login(self.server, self.server.admin) as admin:
            answer = await admin.ask("edit_message", room_id=self.here, id=first["id"], message="ours")
            self.assertEqual(answer["code"], "forbidden")

    async def test_a_deletion_reaches_everyone_and_empties_replay_and_view(self):
        a, b = await self.pair()
        first = await a.post(self.here, "regretted words")
        await a.ask("edit_message", room_id=self.here, id=first["id"], message="regretted edit")
        gone = await a.ask("delete_message", room_id=self.here, id=first["id"], client_id="d")
        self.assertEqual((gone["type"], gone["client_id"]), ("ack", "d"))
        event = await b.wait("message_deleted")
        self.assertEqual((event["data"]["target_id"], event["data"]["id"]), (first["id"], gone["id"]))
        again = await a.ask("delete_message", room_id=self.here, id=first["id"], client_id="d")
        self.assertEqual((again["id"], again["duplicate"]), (gone["id"], True))
        view = self.server.call("GET", f"/api/rooms/{self.here}/messages/{first['id']}")
        self.assertEqual((view["message"], view["deleted"]), ("", True))
        replayed = {e["data"]["id"]: e for e in self.server.events(self.here)}
        self.assertEqual((replayed[first["id"]]["data"]["message"], replayed[first["id"]]["data"]["deleted"]), ("", True))
        self.assertNotIn("regretted", str(replayed))
        refused = await a.ask("edit_message", room_id=self.here, id=first["id"], message="too late")
        self.assertEqual(refused["code"], "message_deleted")

    async def test_a_replay_from_the_ring_does_not_bring_deleted_text_back(self):
        a, _ = await self.pair()
        first = await a.post(self.here, "secret in the ring")
        await a.ask("delete_message", room_id=self.here, id=first["id"])
        async with await Client.login(self.server, self.token(self.users("carol"))) as c:
            await c.join(self.here)
            await c.ask("leave", room_id=self.here)
            await c.join(self.here, after=0)
            self.assertNotIn("secret in the ring", str(c.log))
            replayed = next(e for e in c.events[self.here] if e["data"]["id"] == first["id"])
            self.assertEqual((replayed["data"]["message"], replayed["data"]["deleted"]), ("", True))

    async def test_a_retry_of_a_deleted_message_gives_the_first_result(self):
        a, _ = await self.pair()
        first = await a.post(self.here, "x", client_id="gone")
        await a.ask("delete_message", room_id=self.here, id=first["id"])
        again = await a.post(self.here, "x", client_id="gone")
        self.assertEqual((again["id"], again["duplicate"]), (first["id"], True))

    async def test_a_moderator_may_delete_what_others_say_and_a_member_may_not(self):
        a, b = await self.pair()
        first = await a.post(self.here, "rude")
        self.assertEqual((await b.ask("delete_message", room_id=self.here, id=first["id"]))["code"], "forbidden")
        self.server.call("PUT", f"/api/rooms/{self.here}/members/{self.bob}", {"role": "moderator"})
        changed = await b.wait("member_role_changed")
        self.assertEqual((changed["data"]["member_id"], changed["data"]["role"]), (self.bob, "moderator"))
        self.assertEqual((await b.ask("delete_message", room_id=self.here, id=first["id"]))["type"], "ack")

    async def test_messages_that_do_not_exist_are_refused(self):
        a, _ = await self.pair()
        joined = next(f for f in a.log if f["type"] == "joined")  # its last event is no message
        for kind, fields in (("edit_message", {"message": "x"}), ("delete_message", {}), ("react", {"reaction": "👍"})):
            for target in (10_000, joined["last_id"]):
                with self.subTest(kind=kind, target=target):
                    answer = await a.ask(kind, room_id=self.here, id=target, **fields)
                    self.assertEqual(answer["code"], "message_not_found")

    async def test_reactions_are_events_and_are_counted(self):
        a, b = await self.pair()
        first = await a.post(self.here, "nice")
        self.assertEqual((await b.ask("react", room_id=self.here, id=first["id"], reaction="👍"))["type"], "ack")
        added = await a.wait("reaction_added")
        self.assertEqual((added["data"]["target_id"], added["data"]["reaction"], added["data"]["user_id"]), (first["id"], "👍", self.bob))
        await a.ask("react", room_id=self.here, id=first["id"], reaction="👍")
        path = f"/api/rooms/{self.here}/messages/{first['id']}"
        self.assertEqual(self.server.call("GET", path, token=self.token(self.alice))["reactions"], [{"reaction": "👍", "count": 2, "me": True}])
        self.assertEqual(self.server.call("GET", path)["reactions"], [{"reaction": "👍", "count": 2, "me": False}])
        self.assertEqual((await b.ask("react", room_id=self.here, id=first["id"], reaction="👍"))["duplicate"], True)
        await b.ask("unreact", room_id=self.here, id=first["id"], reaction="👍")
        removed = await a.wait("reaction_removed")
        self.assertEqual((removed["data"]["target_id"], removed["data"]["reaction"]), (first["id"], "👍"))
        self.assertEqual(self.server.call("GET", path)["reactions"], [{"reaction": "👍", "count": 1, "me": False}])
        self.assertEqual(len([e for e in self.server.events(self.here) if e["type"] == "reaction_added"]), 2)

    async def test_a_reaction_of_the_wrong_size_is_refused(self):
        a, _ = await self.pair()
        first = await a.post(self.here, "x")
        for reaction in ("", "x" * 33, "with space"):
            self.assertEqual((await a.ask("react", room_id=self.here, id=first["id"], reaction=reaction))["code"], "invalid_field")

    async def test_a_reply_says_what_it_replies_to(self):
        a, b = await self.pair()
        first = await a.post(self.here, "question")
        await b.post(self.here, "answer", reply_to=first["id"])
        self.assertEqual((await a.wait("message", data={"message": "answer"}))["data"]["reply_to"], first["id"])
        refused = await a.ask("chat_message", room_id=self.here, message="to nothing", reply_to=9999)
        self.assertEqual(refused["code"], "message_not_found")

    async def test_typing_goes_to_the_others_only(self):
        a, b = await self.pair()
        await a.send(type="typing", room_id=self.here)
        self.assertEqual(await b.wait("typing"), {"type": "typing", "room_id": self.here, "user_id": self.alice, "typing": True})
        await a.send(type="typing", room_id=self.here, typing=False)
        self.assertEqual((await b.wait("typing"))["typing"], False)
        self.assertEqual([f for f in await a.settled() if f["type"] == "typing"], [])
        self.assertEqual([e for e in self.server.events(self.here) if e["type"] == "typing"], [])

    async def test_typing_in_a_room_not_joined_is_refused(self):
        a, _ = await self.pair()
        self.assertEqual((await a.ask("typing", room_id=self.room()))["code"], "not_joined")

    async def test_a_read_position_goes_to_the_users_other_connections(self):
        a, b = await self.pair()
        other = await Client.login(self.server, self.token(self.alice))
        self.addAsyncCleanup(other.close)
        last = (await b.post(self.here, "read me"))["id"]
        read = await a.ask("read", room_id=self.here, id=last)
        self.assertEqual((read["type"], read["user_id"], read["last_read_id"]), ("read", self.alice, last))
        told = await other.wait("read")
        self.assertEqual((told["room_id"], told["last_read_id"]), (self.here, last))
        self.assertNotIn("ref", told)
        self.assertEqual([f for f in await b.settled() if f["type"] == "read"], [])
        self.assertEqual((await a.ask("read", room_id=self.here, id=1))["last_read_id"], last, "it never goes back")
        self.assertEqual((await other.join(self.here))["last_read_id"], last)

    async def test_history_gives_pages_of_events_both_ways(self):
        a, _ = await self.pair()
        for i in range(30):
            await a.post(self.here, f"h{i}")
        whole = self.server.events(self.here)
        last = whole[-1]["data"]["id"]
        page = await a.ask("history", room_id=self.here, before=last + 1, limit=10)
        self.assertEqual((page["type"], page["events"], page["more"]), ("history", whole[-10:], True))
        page = await a.ask("history", room_id=self.here, after=0, limit=10)
        self.assertEqual((page["events"], page["more"]), (whole[:10], True))
        page = await a.ask("history", room_id=self.here, after=last - 5)
        self.assertEqual((page["events"], page["more"]), (whole[-5:], False))
        page = await a.ask("history", room_id=self.here, before=5, limit=200)
        self.assertEqual((page["events"], page["more"]), (whole[:4], False))
        for fields in ({"before": 5, "after": 1}, {"limit": 0, "after": 0}, {"limit": 201, "after": 0}):
            self.assertEqual((await a.ask("history", room_id=self.here, **fields))["code"], "invalid_field")

    async def test_ping_and_heartbeat_are_answered_with_the_time(self):
        a, _ = await self.pair()
        for kind, answer in (("ping", "pong"), ("heartbeat", "heartbeat_ack")):
            got = await a.ask(kind)
            self.assertEqual(got["type"], answer)
            self.assertRegex(got["timestamp"], TIMESTAMP)

    async def test_an_unknown_type_and_invalid_json_are_told_and_the_connection_stays(self):
        a, _ = await self.pair()
        for frame, code, words in (
                ('{"type":"dance"}', "unknown_type", "Unknown message type"), ("{}", "unknown_type", "Unknown message type"),
                ('{"type":5}', "unknown_type", "Unknown message type"), ("{", "invalid_json", "Invalid JSON format"),
                ("[]", "invalid_json", None), ("null", "invalid_json", None), ("", "invalid_json", None),
                ('{"type":"ping"} x', "invalid_json", None), ("[" * 5000, "invalid_json", None)):
            with self.subTest(frame=frame[:20]):
                await a.send(frame)
                error = await a.wait("error")
                self.assertEqual(error["code"], code)
                if words:
                    self.assertEqual(error["message"], words)
        self.assertEqual((await a.ask("ping"))["type"], "pong")

    async def test_missing_and_wrong_fields_are_refused_with_room_and_client_id(self):
        a, _ = await self.pair()
        here = {"room_id": self.here}
        for kind, fields, code in (
                ("chat_message", here, "missing_field"), ("chat_message", {"message": "no room"}, "missing_field"),
                ("chat_message", {**here, "message": ""}, "invalid_field"), ("chat_message", {**here, "message": 5}, "invalid_field"),
                ("chat_message", {**here, "message": "x", "client_id": ""}, "invalid_field"),
                ("chat_message", {**here, "message": "x", "client_id": "k" * 65}, "invalid_field"),
                ("chat_message", {**here, "message": "x", "reply_to": "1"}, "invalid_field"),
                ("join", {"room_id": "Not A Slug"}, "invalid_field"), ("join", {}, "missing_field"),
                ("read", {**here, "id": 0}, "invalid_field"), ("edit_message", {**here, "message": "x"}, "missing_field")):
            with self.subTest(kind=kind, fields=fields):
                answer = await a.ask(kind, **fields)
                self.assertEqual((answer["type"], answer["code"]), ("error", code))
        answer = await a.ask("chat_message", room_id=self.here, message=5, client_id="mine")
        self.assertEqual((answer["room_id"], answer["client_id"]), (self.here, "mine"))

    async def test_a_message_longer_than_the_limit_is_refused(self):
        a, _ = await self.pair()
        limit = a.hello["limits"]["max_message_bytes"]
        await a.post(self.here, "x" * (limit - 200))
        await a.send(type="chat_message", room_id=self.here, message="x" * (limit + 1))
        self.assertEqual((await a.closed())[0], 1009)
        rest = self.server.http("POST", f"/api/rooms/{self.here}/messages", {"message": "x" * (limit + 1)}, token=self.token(self.alice))
        self.assertProblem(rest, 413, "too_large")


class AfterARestart(AsyncCase):
    async def test_retries_read_positions_reactions_and_cursors_survive_a_restart(self):
        with Server() as server:
            alice = server.token("alice")
            async with await Client.login(server, alice) as c:
                joined = await c.join("general")
                first = await c.post("general", "before the restart", client_id="k1")
                await c.ask("react", room_id="general", id=first["id"], reaction="👍")
                await c.ask("read", room_id="general", id=first["id"])
            server.restart()
            async with await Client.login(server, alice) as c:
                again = await c.join("general", after=joined["last_id"], epoch=joined["epoch"])
                self.assertEqual((again["recovery"], again["last_read_id"]), ("resumed", first["id"]))
                self.assertEqual(c.messages("general"), ["before the restart"])
                retry = await c.post("general", "before the restart", client_id="k1")
                self.assertEqual((retry["id"], retry["duplicate"]), (first["id"], True))
            rest = server.http("POST", "/api/rooms/general/messages", {"message": "before the restart", "client_id": "k1"}, token=alice)
            self.assertEqual((rest.status, rest.json["id"], rest.json["duplicate"]), (200, first["id"], True))
            view = server.call("GET", f"/api/rooms/general/messages/{first['id']}", token=alice)
            self.assertEqual(view["reactions"], [{"reaction": "👍", "count": 1, "me": True}])

    async def test_deleted_text_is_nowhere_in_the_database_file(self):
        with Server() as server:
            server.make_room("r")
            marks = {k: f"{k}-7f3a9c-unforgettable" for k in ("original", "edited", "kept")}
            first = server.post("r", marks["original"] + " " + "filler " * 100)["id"]
            server.call("PATCH", f"/api/rooms/r/messages/{first}", {"message": marks["edited"]})
            server.post("r", marks["kept"])
            server.call("DELETE", f"/api/rooms/r/messages/{first}")
            for i in range(50):
                server.post("r", f"later {i}")
            server.stop()
            content = b"".join(f.read_bytes() for f in server.data.iterdir() if f.is_file())
            self.assertIn(marks["kept"].encode(), content, "this test looks at the right files")
            self.assertNotIn(marks["original"].encode(), content)
            self.assertNotIn(marks["edited"].encode(), content)


if __name__ == "__main__":
    unittest.main()
