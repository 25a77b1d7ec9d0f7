"""Rooms and messages over REST: every row of docs/protocol.md with its refusals."""
import unittest

from confab_client import fill
from confab_server import Server, ServerCase, watch

ROOM = {"room_id", "name", "topic", "kind", "archived", "created_at", "last_id", "first_id", "members", "online"}


class Rooms(ServerCase):
    def setUp(self):
        super().setUp()
        self.alice = self.users("alice")
        self.a = self.token(self.alice)

    def get(self, path, token=None):
        return self.server.http("GET", path, token=token or self.a)

    def do(self, method, path, body=None, token=None):
        return self.server.http(method, path, body, token=token or self.a)

    # ---- rooms ----

    def test_whoever_makes_a_room_owns_it(self):
        name = self.fresh("mine-")
        made = self.do("POST", "/api/rooms", {"room_id": name, "name": "My room", "topic": "Mine", "kind": "private"})
        self.assertEqual(made.status, 201)
        self.assertTrue(ROOM <= set(made.json))
        self.assertEqual((made.json["room_id"], made.json["name"], made.json["topic"], made.json["kind"], made.json["role"], made.json["members"]),
                         (name, "My room", "Mine", "private", "owner", 1))
        self.assertEqual(self.get(f"/api/rooms/{name}").json["role"], "owner")
        kinds = [e["type"] for e in self.server.events(name)]
        self.assertEqual(kinds, ["room_created", "member_joined"])

    def test_a_room_id_is_taken_once(self):
        name = self.room()
        self.assertProblem(self.do("POST", "/api/rooms", {"room_id": name}), 409, "room_exists")

    def test_room_ids_and_fields_are_checked(self):
        for body, code in (({}, "missing_field"), ({"room_id": "UPPER"}, "invalid_field"), ({"room_id": "-x"}, "invalid_field"),
                           ({"room_id": "x" * 65}, "invalid_field"), ({"room_id": "with space"}, "invalid_field"),
                           ({"room_id": "ok-a", "kind": "direct"}, "invalid_field"), ({"room_id": "ok-b", "kind": "open"}, "invalid_field"),
                           ({"room_id": "ok-c", "name": ""}, "invalid_field"), ({"room_id": "ok-d", "topic": "a\nb"}, "invalid_field"),
                           ({"room_id": "ok-e", "color": "red"}, "unknown_field"), ({"room_id": 7}, "invalid_field")):
            with self.subTest(body=body):
                self.assertProblem(self.do("POST", "/api/rooms", body), 400, code)
        longest = ("l" * 60) + str(len(self._testMethodName) % 9)
        self.assertEqual(self.do("POST", "/api/rooms", {"room_id": longest}).status, 201)

    def test_a_list_shows_public_rooms_and_ones_own(self):
        public, private, mine = self.room(), self.room("private"), self.room("private", [self.alice])
        seen = {}
        after = ""
        while True:
            page = self.get(f"/api/rooms?limit=2{after}").json
            self.assertLessEqual(len(page["items"]), 2)
            for room in page["items"]:
                self.assertNotIn(room["room_id"], seen)
                seen[room["room_id"]] = room
            if not page["more"]:
                break
            after = f"&after={page['next']}"
        self.assertIn(public, seen)
        self.assertIn(mine, seen)
        self.assertNotIn(private, seen)
        self.assertEqual(list(seen), sorted(seen))
        self.assertEqual(seen[mine]["role"], "member")
        self.assertNotIn("role", seen[public])

    def test_unread_counts_what_others_said_since_the_read_position(self):
        room = self.room(members=[self.alice])
        ids = [self.server.post(room, f"m{i}")["id"] for i in range(5)]
        self.server.post(room, "my own", token=self.a)
        self.assertEqual(self.get(f"/api/rooms/{room}").json["unread"], 5)
        read = self.do("POST", f"/api/rooms/{room}/read", {"id": ids[2]})
        self.assertEqual((read.status, read.json), (200, {"room_id": room, "last_read_id": ids[2]}))
        listed = {r["room_id"]: r for r in self.get("/api/rooms?limit=200").json["items"]}
        self.assertEqual((listed[room]["unread"], listed[room]["last_read_id"]), (2, ids[2]))
        self.assertEqual(self.do("POST", f"/api/rooms/{room}/read", {"id": 1}).json["last_read_id"], ids[2])
        self.assertProblem(self.do("POST", f"/api/rooms/{room}/read", {"id": 10_000}), 400, "invalid_field", "id")
        self.assertProblem(self.do("POST", f"/api/rooms/{self.room()}/read", {"id": 1}), 403, "not_a_member")

    def test_a_private_room_is_closed_to_others_in_every_respect(self):
        room = self.room("private")
        message = self.server.post(room, "secret")["id"]
        for method, path, body in (
                ("GET", "", None), ("PATCH", "", {"name": "x"}), ("DELETE", "", None), ("POST", "/archive", {}), ("GET", "/members", None),
                ("PUT", f"/members/{self.alice}", {}), ("GET", "/messages", None), ("POST", "/messages", {"message": "x"}),
                ("GET", f"/messages/{message}", None), ("PATCH", f"/messages/{message}", {"message": "x"}), ("DELETE", f"/messages/{message}", None),
                ("PUT", f"/messages/{message}/reactions/x", {}), ("GET", "/events", None), ("POST", "/read", {"id": 1})):
            with self.subTest(method=method, path=path):
                answer = self.do(method, f"/api/rooms/{room}{path}", body)
                self.assertProblem(answer, 403, "not_a_member")
                self.assertNotIn("secret", answer.body.decode())

    def test_an_unknown_room_is_not_found_in_every_respect(self):
        for method, path, body in (("GET", "", None), ("PATCH", "", {"name": "x"}), ("DELETE", "", None), ("GET", "/members", None),
                                   ("GET", "/messages", None), ("POST", "/messages", {"message": "x"}), ("GET", "/events", None)):
            for room in ("nowhere", "NOT-A-SLUG", "%2e%2e"):
                with self.subTest(method=method, path=path, room=room):
                    self.assertProblem(self.do(method, f"/api/rooms/{room}{path}", body), 404, "room_not_found")

    def test_owners_and_moderators_change_a_room_and_members_do_not(self):
        moderator, member = self.users("mod", "mem")
        room = self.fresh("own-")
        self.do("POST", "/api/rooms", {"room_id": room})
        self.do("PUT", f"/api/rooms/{room}/members/{moderator}", {"role": "moderator"})
        self.do("PUT", f"/api/rooms/{room}/members/{member}", {})
        path = f"/api/rooms/{room}"
        self.assertEqual(self.do("PATCH", path, {"topic": "by owner"}).json["topic"], "by owner")
        self.assertEqual(self.do("PATCH", path, {"topic": "by moderator"}, self.token(moderator)).json["topic"], "by moderator")
        self.assertProblem(self.do("PATCH", path, {"topic": "by member"}, self.token(member)), 403, "forbidden")
        self.assertProblem(self.do("PATCH", path, {"kind": "private"}, self.token(moderator)), 403, "forbidden")
        self.assertProblem(self.do("DELETE", path, token=self.token(moderator)), 403, "forbidden")
        self.assertProblem(self.do("POST", path + "/archive", {}, self.token(member)), 403, "forbidden")
        self.assertEqual(self.do("PATCH", path, {"kind": "private"}).json["kind"], "private")
        self.assertEqual(self.do("DELETE", path).status, 204)
        self.assertProblem(self.get(path), 404, "room_not_found")

    def test_a_change_that_changes_nothing_is_no_event(self):
        room = self.room(topic="same")
        before = len(self.server.events(room))
        self.server.call("PATCH", f"/api/rooms/{room}", {"topic": "same"})
        self.server.call("PATCH", f"/api/rooms/{room}", {})
        self.assertEqual(len(self.server.events(room)), before)

    def test_an_archived_room_takes_nothing_more_until_it_is_unarchived(self):
        room = self.room(members=[self.alice])
        message = self.server.post(room, "mine", token=self.a)["id"]
        self.assertTrue(self.server.call("POST", f"/api/rooms/{room}/archive", {})["archived"])
        for method, path, body in (("POST", "/messages", {"message": "x"}), ("PATCH", f"/messages/{message}", {"message": "y"}),
                                   ("PUT", f"/messages/{message}/reactions/x", {})):
            self.assertProblem(self.do(method, f"/api/rooms/{room}{path}", body), 409, "room_archived")
        self.assertEqual(self.get(f"/api/rooms/{room}/messages").json["items"][0]["message"], "mine")
        self.assertFalse(self.server.call("POST", f"/api/rooms/{room}/unarchive", {})["archived"])
        self.assertEqual(self.do("POST", f"/api/rooms/{room}/messages", {"message": "x"}).status, 201)

    # ---- members ----

    def test_members_join_leave_are_added_and_removed(self):
        room, bob = self.room(), self.users("bob")
        joined = self.do("PUT", f"/api/rooms/{room}/members/{self.alice}", {})
        self.assertEqual((joined.status, joined.json["user_id"], joined.json["role"]), (200, self.alice, "member"))
        self.assertEqual(set(joined.json), {"user_id", "display_name", "role", "joined_at", "last_read_id", "online"})
        self.assertProblem(self.do("PUT", f"/api/rooms/{room}/members/{bob}", {}), 403, "forbidden")
        self.server.call("PUT", f"/api/rooms/{room}/members/{bob}", {"role": "moderator"})
        listed = {m["user_id"]: m["role"] for m in self.get(f"/api/rooms/{room}/members").json["items"]}
        self.assertEqual(listed, {"root": "owner", self.alice: "member", bob: "moderator"})
        self.assertProblem(self.do("DELETE", f"/api/rooms/{room}/members/{bob}"), 403, "forbidden")
        self.assertEqual(self.do("DELETE", f"/api/rooms/{room}/members/{self.alice}", token=self.token(bob)).status, 204)
        self.assertProblem(self.do("DELETE", f"/api/rooms/{room}/members/{self.alice}"), 403, "not_a_member")
        self.assertEqual(self.do("DELETE", f"/api/rooms/{room}/members/{bob}", token=self.token(bob)).status, 204)
        kinds = [(e["type"], e["data"]["member_id"]) for e in self.server.events(room) if e["type"].startswith("member_")][1:]
        self.assertEqual(kinds, [("member_joined", self.alice), ("member_joined", bob), ("member_left", self.alice), ("member_left", bob)])

    def test_the_last_owner_stays(self):
        room, bob = self.fresh("own-"), self.users("bob")
        self.do("POST", "/api/rooms", {"room_id": room})
        self.assertProblem(self.do("DELETE", f"/api/rooms/{room}/members/{self.alice}"), 409, "last_owner")
        self.assertProblem(self.do("PUT", f"/api/rooms/{room}/members/{self.alice}", {"role": "member"}), 409, "last_owner")
        self.do("PUT", f"/api/rooms/{room}/members/{bob}", {"role": "owner"})
        self.assertEqual(self.do("DELETE", f"/api/rooms/{room}/members/{self.alice}").status, 204)

    def test_members_are_listed_by_pages(self):
        names = self.users(*["m"] * 7)
        room = self.room(members=names)
        seen, after = [], ""
        while True:
            page = self.get(f"/api/rooms/{room}/members?limit=3{after}").json
            seen += [m["user_id"] for m in page["items"]]
            if not page["more"]:
                break
            after = f"&after={page['next']}"
        self.assertEqual(sorted(seen), sorted([*names, "root"]))

    def test_unknown_users_and_roles_are_refused(self):
        room = self.room()
        put = lambda who, body: self.do("PUT", f"/api/rooms/{room}/members/{who}", body, self.server.admin)
        self.assertProblem(put("nobody", {}), 404, "user_not_found")
        self.assertProblem(put(self.alice, {"role": "king"}), 400, "invalid_field", "role")

    # ---- messages ----

    def test_a_message_is_posted_read_edited_and_deleted(self):
        room = self.room()
        path = f"/api/rooms/{room}/messages"
        posted = self.do("POST", path, {"message": "hello", "client_id": "k"})
        self.assertEqual(posted.status, 201)
        self.assertEqual(set(posted.json), {"id", "room_id", "timestamp", "client_id", "duplicate"})
        one = f"{path}/{posted.json['id']}"
        self.assertEqual(self.get(one).json, {"id": posted.json["id"], "room_id": room, "user_id": self.alice, "message": "hello",
                                              "timestamp": posted.json["timestamp"], "reactions": []})
        edited = self.do("PATCH", one, {"message": "hello again"})
        self.assertEqual((edited.status, edited.json["id"]), (200, posted.json["id"] + 1))
        self.assertEqual((self.get(one).json["message"], self.get(one).json["edited_at"]), ("hello again", edited.json["timestamp"]))
        reply = self.do("POST", path, {"message": "re", "reply_to": posted.json["id"]}).json
        self.assertEqual(self.get(f"{path}/{reply['id']}").json["reply_to"], posted.json["id"])
        gone = self.do("DELETE", one)
        self.assertEqual((gone.status, gone.json["id"]), (200, reply["id"] + 1))
        self.assertEqual((self.get(one).json["message"], self.get(one).json["deleted"]), ("", True))
        self.assertProblem(self.do("PATCH", one, {"message": "late"}), 409, "message_deleted")
        self.assertProblem(self.do("DELETE", one), 409, "message_deleted")

    def test_reactions_come_and_go(self):
        room = self.room(members=[self.alice])
        one = f"/api/rooms/{room}/messages/{self.server.post(room, 'x')['id']}"
        smile = "%F0%9F%98%80"
        self.assertEqual(self.do("PUT", f"{one}/reactions/{smile}", {}).json["duplicate"], False)
        self.assertEqual(self.do("PUT", f"{one}/reactions/{smile}", {}).json["duplicate"], True)
        self.assertEqual(self.get(one).json["reactions"], [{"reaction": "😀", "count": 1, "me": True}])
        self.assertEqual(self.do("DELETE", f"{one}/reactions/{smile}").status, 200)
        self.assertEqual(self.get(one).json["reactions"], [])
        self.assertProblem(self.do("PUT", f"{one}/reactions/{'x' * 33}", {}), 400, "invalid_field", "reaction")
        self.assertProblem(self.do("PUT", f"{one}/reactions/%ff", {}), 400)

    def test_messages_that_cannot_be_are_refused(self):
        room = self.room()
        path = f"/api/rooms/{room}/messages"
        for body, status, code in (({}, 400, "missing_field"), ({"message": ""}, 400, "invalid_field"), ({"message": None}, 400, "invalid_field"),
                                   ({"message": "x", "client_id": "ü"}, 400, "invalid_field"), ({"message": "x", "extra": 1}, 400, "unknown_field"),
                                   ({"message": "x", "reply_to": 999}, 404, "message_not_found"), ({"message": "x" * 17000}, 413, "too_large")):
            with self.subTest(body=str(body)[:60]):
                self.assertProblem(self.do("POST", path, body), status, code)
        for one in ("999", "0", "-1", "abc", "1e3", "99999999999999999999"):
            self.assertProblem(self.get(f"{path}/{one}"), 404, "message_not_found")

    def test_five_hundred_messages_are_paged_both_ways(self):
        room = self.room()
        fill(self.server, room, 500, "m")
        path = f"/api/rooms/{room}/messages"
        newest = self.get(path).json
        self.assertEqual(([m["message"] for m in newest["items"]], newest["more"]), ([f"m {i}" for i in range(450, 500)], True))
        texts, cursor = [], ""
        while True:
            page = self.get(f"{path}?limit=70{cursor}").json
            texts = [m["message"] for m in page["items"]] + texts
            if not page["more"]:
                break
            cursor = f"&before={page['next']}"
        self.assertEqual(texts, [f"m {i}" for i in range(500)])
        texts, cursor = [], "0"
        while True:
            page = self.get(f"{path}?limit=200&after={cursor}").json
            texts += [m["message"] for m in page["items"]]
            if not page["more"]:
                break
            cursor = page["next"]
        self.assertEqual(texts, [f"m {i}" for i in range(500)])
        last = page["next"]
        empty = self.get(f"{path}?after={last}").json
        self.assertEqual((empty["items"], empty["more"], empty["next"]), ([], False, last))
        events = self.server.events(room)
        self.assertEqual([e["data"]["id"] for e in events], list(range(1, len(events) + 1)))

    def test_odd_page_parameters_are_refused(self):
        room = self.room()
        for query in ("limit=0", "limit=201", "limit=x", "before=0", "before=-1", "after=-1", "after=1&before=2", "after=", "page=2", "limit=5&limit=6x"):
            with self.subTest(query=query):
                self.assertProblem(self.get(f"/api/rooms/{room}/messages?{query}"), 400)
        self.assertProblem(self.get("/api/rooms?limit=999"), 400, "invalid_field", "limit")

    def test_events_tell_epoch_first_and_last(self):
        room = self.room()
        page = self.get(f"/api/rooms/{room}/events").json
        self.assertEqual((page["first_id"], page["last_id"]), (1, 2))
        self.assertRegex(page["epoch"], "^[0-9a-f]{32}$")
        self.assertEqual([e["type"] for e in self.get(f"/api/rooms/{room}/events?after=0&limit=1").json["items"]], ["room_created"])

    # ---- caching and limits ----

    def test_an_etag_saves_the_body_until_something_changes(self):
        room = self.room()
        path = f"/api/rooms/{room}/messages"
        first = self.get(path)
        tag = first.header("ETag")
        self.assertTrue(tag)
        same = self.server.http("GET", path, token=self.a, headers={"If-None-Match": tag})
        self.assertEqual((same.status, same.body, same.header("ETag")), (304, b"", tag))
        self.server.post(room, "new")
        changed = self.server.http("GET", path, token=self.a, headers={"If-None-Match": tag})
        self.assertEqual(changed.status, 200)
        self.assertNotEqual(changed.header("ETag"), tag)

    def test_answers_are_not_kept_by_shared_caches(self):
        answer = self.get("/api/me")
        self.assertIn("private", answer.header("Cache-Control"))
        self.assertEqual(answer.header("X-Content-Type-Options"), "nosniff")
        self.assertNotIn("Access-Control-Allow-Origin", answer.headers)


class Limits(unittest.TestCase):
    def test_the_default_profile_tells_what_is_left_and_when_to_come_back(self):
        watch(self)
        with Server(RATE_PROFILE="default") as server:
            token = server.token("alice")
            answer = server.http("POST", "/api/rooms/general/messages", {"message": "m"}, token=token)
            self.assertEqual(answer.status, 201)
            self.assertRegex(answer.header("RateLimit-Policy"), r'^"message";q=\d+(;w=60)?$')
            self.assertRegex(answer.header("RateLimit"), r'^"message";r=\d+;t=\d+$')
            for _ in range(400):
                answer = server.http("POST", "/api/rooms", {}, token=token)
                if answer.status == 429:
                    break
            for i in range(2000):
                answer = server.http("POST", "/api/rooms/general/messages", {"message": "m"}, token=token)
                if answer.status == 429:
                    break
            self.assertEqual((answer.status, answer.code), (429, "rate_limited"))
            self.assertGreaterEqual(int(answer.header("Retry-After")), 1)
            self.assertGreater(answer.json["retry_after_ms"], 0)


if __name__ == "__main__":
    unittest.main()
