"""The documents and the running server agree: every documented operation and frame is walked with real requests, every answer is held
against its schema, and a route, status, frame or event that only one side knows is a failure."""
import asyncio
import itertools
import json
import logging
import pathlib
import sys
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "server"))

import jsonschema
import websockets

from confab_server import DEADLINE, FACTOR, Server, watch
from documents import Documents, parameters_of

logging.getLogger("asyncio").setLevel(logging.ERROR)  # unittest's debug mode tells of every slow step

docs = Documents()
PASSWORD = "correct horse battery"
NO_ID = 9007199254740990


class DocumentsTest(unittest.TestCase):
    def test_every_reference_leads_somewhere(self):
        for document, node in docs.references():
            with self.subTest(document=document, ref=node["$ref"]):
                self.assertIsNotNone(docs.resolve(document, node))

    def test_every_schema_is_one(self):
        for name in docs.raw:
            for title, schema in docs.raw[name]["components"]["schemas"].items():
                with self.subTest(document=name, schema=title):
                    jsonschema.Draft202012Validator.check_schema(schema)

    def test_everything_that_is_defined_is_used(self):
        used = {node["$ref"].rpartition("#")[2] for _, node in docs.references()}
        for name in docs.raw:
            for section in ("schemas", "parameters", "responses", "headers", "messages"):
                for title in docs.raw[name]["components"].get(section, {}):
                    if (name, title) != ("asyncapi.yaml", "CloseReason"):  # named by the prose: a close frame is no message
                        self.assertIn(f"/components/{section}/{title}", used, name)

    def test_path_parameters_are_declared(self):
        for operation_id, (_, path, operation) in docs.operations.items():
            declared = [docs.resolve("openapi.yaml", p) for p in operation.get("parameters", [])]
            self.assertEqual(sorted(parameters_of(path)), sorted(p["name"] for p in declared if p["in"] == "path"), operation_id)

    def test_operation_ids_are_unique(self):
        count = sum(len(item) for item in docs.openapi["paths"].values())
        self.assertEqual(len(docs.operations), count)

    def test_every_frame_is_sent_or_received_on_both_channels(self):
        messages = set(docs.asyncapi["components"]["messages"])
        for channel, description in docs.asyncapi["channels"].items():
            self.assertEqual(set(description["messages"]), messages)
            mentioned = set()
            for operation in docs.asyncapi["operations"].values():
                if operation["channel"]["$ref"] == "#/channels/" + channel:
                    for message in operation["messages"] + operation.get("reply", {}).get("messages", []):
                        mentioned.add(message["$ref"].rpartition("/")[2])
            self.assertEqual(mentioned, messages, channel)


class Rest:
    """Calls documented operations, judges each answer, and remembers which (operation, status) were seen."""

    def __init__(self, case, server):
        self.case, self.server, self.seen = case, server, set()

    def call(self, operation_id, status, body=None, *, token=None, query=None, headers=None, raw=None, **path):
        method, template, _ = docs.operations[operation_id]
        self.case.assertEqual(sorted(path), sorted(parameters_of(template)), operation_id)
        url = template.format(**{k: urllib.parse.quote(str(v), safe="") for k, v in path.items()})
        if query:
            url += "?" + urllib.parse.urlencode(query)
        answer = self.server.http(method, url, body, token=token, headers=headers, raw=raw)
        where = f"{operation_id}: {method} {url} {body if raw is None else '(raw)'}"
        self.case.assertEqual(answer.status, status, f"{where}: {answer.body[:400]!r}")
        self.case.assertEqual(docs.answer_problems(operation_id, answer), [], f"{where}: {answer.body[:400]!r}")
        if status < 300 and raw is None:
            self.case.assertEqual(docs.request_problems(operation_id, body), [], where)
        self.check_headers(operation_id, answer, where)
        self.seen.add((operation_id, str(status)))
        return answer

    # What an answer need not have: there is no limit, no cookie was asked for, or nothing is gained by coming back.
    OPTIONAL = {"RateLimit", "RateLimit-Policy", "Retry-After", "Set-Cookie"}

    def check_headers(self, operation_id, answer, where):
        documented = docs.response(operation_id, answer.status).get("headers", {})
        for name in documented:
            if name not in self.OPTIONAL:
                self.case.assertIsNotNone(answer.header(name), f"{where}: no {name}")
        for name in ("ETag", "Set-Cookie", "WWW-Authenticate", "Retry-After", "RateLimit"):
            if answer.header(name) is not None:
                self.case.assertIn(name, documented, where)

    def problem(self, operation_id, status, code, *args, **kw):
        answer = self.call(operation_id, status, *args, **kw)
        self.case.assertEqual(answer.json["code"], code, answer.body)
        return answer


class RestContract(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        watch(self)
        self.server = Server()
        self.addCleanup(self.server.close)
        self.server.start()
        self.rest = Rest(self, self.server)
        self.call, self.problem = self.rest.call, self.rest.problem

    def test_the_server_and_the_document_know_the_same_routes(self):
        routes = {tuple(line.split(" ", 1)) for line in self.server.run("routes", check=True).out.splitlines()}
        documented = {(method, path) for method, path, _ in docs.operations.values()}
        self.assertEqual(routes, documented)

    def test_every_documented_operation_and_status_happens(self):
        self.walk_set_up()
        self.walk_sessions()
        self.walk_users()
        self.walk_rooms()
        self.walk_members()
        self.walk_messages()
        self.walk_reactions_and_the_log()
        self.walk_the_server_itself()
        self.walk_handshakes()
        self.walk_what_every_operation_refuses()
        self.walk_endings()
        self.check_coverage()

    # ---- the walk ----

    def walk_set_up(self):
        token = self.server.setup_token()
        admin = {"username": "root", "password": PASSWORD}
        self.problem("setUp", 401, "auth_failed", {**admin, "setup_token": "A" * 43})
        made = self.call("setUp", 201, {**admin, "setup_token": token, "cookie": False}).json
        self.admin = made["access_token"]
        self.problem("setUp", 409, "already_set_up", {**admin, "setup_token": token})
        self.problem("setUp", 400, "missing_field", {"setup_token": token})

    def log_in(self, name, password=PASSWORD, **fields):
        return self.call("logIn", 200, {"username": name, "password": password, **fields})

    def walk_sessions(self):
        self.problem("logIn", 401, "bad_credentials", {"username": "root", "password": "wrong"})
        self.problem("logIn", 401, "bad_credentials", {"username": "nobody", "password": "wrong"})
        origin = {"Origin": "https://evil.example"}
        cookie_wanted = {"username": "root", "password": PASSWORD, "cookie": True}
        self.problem("logIn", 403, "origin_refused", cookie_wanted, headers=origin)
        session = self.log_in("root").json
        self.assertIn("refresh_token", session)
        again = self.call("refresh", 200, {"refresh_token": session["refresh_token"]}).json
        self.problem("refresh", 401, "session_expired", {"refresh_token": "A" * 43})
        self.problem("refresh", 400, "missing_field")
        self.call("logOut", 204, {"refresh_token": again["refresh_token"]})
        self.problem("logOut", 400, "unknown_field", {"token": "x"})
        by_cookie = self.call("logIn", 200, cookie_wanted)
        self.assertNotIn("refresh_token", by_cookie.json)
        cookie = {"Cookie": by_cookie.header("Set-Cookie").split(";")[0]}
        self.problem("refresh", 403, "origin_refused", headers={**cookie, **origin})
        self.problem("logOut", 403, "origin_refused", headers={**cookie, **origin})
        renewed = self.call("refresh", 200, headers=cookie)
        self.call("logOut", 204, headers={"Cookie": renewed.header("Set-Cookie").split(";")[0]})

        self.call("getMe", 200, token=self.admin)
        self.call("updateMe", 200, {"display_name": "Root"}, token=self.admin)
        self.call("updateMe", 200, {}, token=self.admin)
        other = self.log_in("root").json
        sessions = self.call("listSessions", 200, token=other["access_token"]).json["items"]
        current = [s["id"] for s in sessions if s["current"]]
        self.assertEqual(len(current), 1)
        self.call("revokeSession", 204, token=self.admin, id=current[0])
        self.problem("getMe", 401, "revoked", token=other["access_token"])
        self.problem("revokeSession", 404, "not_found", token=self.admin, id=NO_ID)
        self.problem("changePassword", 403, "forbidden", {"old_password": "wrong", "new_password": PASSWORD}, token=self.admin)
        self.call("changePassword", 204, {"old_password": PASSWORD, "new_password": PASSWORD + "!"}, token=self.admin)
        self.call("getMe", 200, token=self.admin)

    def walk_users(self):
        make = {"username": "alice", "password": PASSWORD, "role": "member", "display_name": "Alice"}
        self.call("createUser", 201, make, token=self.admin)
        self.call("createUser", 201, {"username": "bob", "password": PASSWORD}, token=self.admin)
        self.call("createUser", 201, {"username": "bot"}, token=self.admin)
        self.problem("createUser", 409, "user_exists", {"username": "Alice"}, token=self.admin)
        self.problem("createUser", 400, "invalid_field", {"username": "a b"}, token=self.admin)
        self.alice = self.log_in("alice").json["access_token"]
        self.bob = self.log_in("bob").json["access_token"]
        self.problem("createUser", 403, "forbidden", {"username": "eve"}, token=self.alice)
        page = self.call("listUsers", 200, token=self.admin, query={"limit": 1}).json
        self.assertTrue(page["more"])
        self.call("listUsers", 200, token=self.admin, query={"after": page["next"]})
        self.assertEqual(self.call("listUsers", 200, token=self.admin, query={"after": "zzzz"}).json["next"], None)
        self.problem("listUsers", 403, "forbidden", token=self.alice)
        self.call("getUser", 200, token=self.alice, user_id="bob")
        self.problem("getUser", 404, "user_not_found", token=self.alice, user_id="nobody")
        self.call("updateUser", 200, {"role": "moderator", "disabled": False, "display_name": "B"}, token=self.admin, user_id="bot")
        self.problem("updateUser", 403, "forbidden", {"role": "admin"}, token=self.alice, user_id="alice")
        self.problem("updateUser", 404, "user_not_found", {"role": "bot"}, token=self.admin, user_id="nobody")
        self.problem("updateUser", 409, "last_owner", {"role": "member"}, token=self.admin, user_id="root")
        self.call("setPassword", 204, {"new_password": PASSWORD}, token=self.admin, user_id="bot")
        self.problem("setPassword", 403, "forbidden", {"new_password": PASSWORD}, token=self.alice, user_id="bot")
        self.problem("setPassword", 404, "user_not_found", {"new_password": PASSWORD}, token=self.admin, user_id="nobody")
        self.call("revokeUser", 204, token=self.admin, user_id="bot")
        self.problem("revokeUser", 403, "forbidden", token=self.alice, user_id="bot")
        self.problem("revokeUser", 404, "user_not_found", token=self.admin, user_id="nobody")
        page = self.call("listAudit", 200, token=self.admin, query={"limit": 2}).json
        self.assertTrue(page["more"])
        self.call("listAudit", 200, token=self.admin, query={"before": page["next"], "limit": 200})
        self.problem("listAudit", 403, "forbidden", token=self.alice)

    def walk_rooms(self):
        self.call("createRoom", 201, {"room_id": "den", "name": "Den", "topic": "t", "kind": "private"}, token=self.alice)
        self.call("createRoom", 201, {"room_id": "hall"}, token=self.alice)
        self.problem("createRoom", 409, "room_exists", {"room_id": "hall"}, token=self.bob)
        page = self.call("listRooms", 200, token=self.alice, query={"limit": 1}).json
        self.assertTrue(page["more"])
        self.call("listRooms", 200, token=self.alice, query={"after": page["next"], "limit": 200})
        self.assertIn("unread", self.call("getRoom", 200, token=self.alice, room_id="den").json)
        self.assertNotIn("unread", self.call("getRoom", 200, token=self.bob, room_id="hall").json)
        self.problem("getRoom", 404, "room_not_found", token=self.alice, room_id="nowhere")
        self.call("updateRoom", 200, {"name": "The Hall", "topic": "", "kind": "public"}, token=self.alice, room_id="hall")
        self.call("updateRoom", 200, {}, token=self.alice, room_id="hall")
        self.problem("updateRoom", 403, "forbidden", {"name": "x"}, token=self.bob, room_id="hall")
        self.problem("updateRoom", 404, "room_not_found", {"name": "x"}, token=self.alice, room_id="nowhere")

    def walk_members(self):
        self.call("putMember", 200, {}, token=self.bob, room_id="hall", user_id="bob")
        self.call("putMember", 200, token=self.alice, room_id="den", user_id="bot")
        self.call("putMember", 200, {"role": "moderator"}, token=self.alice, room_id="hall", user_id="bob")
        self.problem("putMember", 403, "forbidden", {"role": "owner"}, token=self.bob, room_id="hall", user_id="bob")
        self.problem("putMember", 404, "user_not_found", {}, token=self.alice, room_id="hall", user_id="nobody")
        self.problem("putMember", 409, "last_owner", {"role": "member"}, token=self.alice, room_id="hall", user_id="alice")
        page = self.call("listMembers", 200, token=self.alice, room_id="hall", query={"limit": 1}).json
        self.assertTrue(page["more"])
        self.call("listMembers", 200, token=self.alice, room_id="hall", query={"after": page["next"]})
        self.problem("listMembers", 404, "room_not_found", token=self.alice, room_id="nowhere")
        self.refused_outsider("listMembers", room_id="den")
        self.problem("removeMember", 409, "last_owner", token=self.alice, room_id="hall", user_id="alice")
        self.call("removeMember", 204, token=self.alice, room_id="den", user_id="bot")
        self.problem("removeMember", 404, "not_found", token=self.alice, room_id="den", user_id="bot")
        self.problem("removeMember", 403, "forbidden", token=self.bob, room_id="hall", user_id="alice")

    def refused_outsider(self, operation_id, body=None, **path):
        """A private room, asked for by somebody outside."""
        self.problem(operation_id, 403, "not_a_member", body, token=self.bob, **path)

    def walk_messages(self):
        post = {"message": "Hello \U0001F600", "client_id": "k1"}
        first = self.call("postMessage", 201, post, token=self.alice, room_id="hall").json
        again = self.call("postMessage", 200, post, token=self.alice, room_id="hall").json
        self.assertEqual((again["id"], again["duplicate"]), (first["id"], True))
        self.id = first["id"]
        reply = self.call("postMessage", 201, {"message": "Hi", "reply_to": self.id}, token=self.bob, room_id="hall").json
        self.assertNotIn("client_id", reply)
        self.problem("postMessage", 404, "room_not_found", {"message": "x"}, token=self.alice, room_id="nowhere")
        self.refused_outsider("postMessage", {"message": "x"}, room_id="den")
        self.problem("postMessage", 413, "too_large", {"message": "x" * 60000}, token=self.alice, room_id="hall")

        self.call("getMessage", 200, token=self.alice, room_id="hall", id=reply["id"])
        self.problem("getMessage", 404, "message_not_found", token=self.alice, room_id="hall", id=NO_ID)
        self.refused_outsider("getMessage", room_id="den", id=1)
        page = self.call("listMessages", 200, token=self.alice, room_id="hall", query={"limit": 1}).json
        self.assertTrue(page["more"])
        self.call("listMessages", 200, token=self.alice, room_id="hall", query={"before": page["next"]})
        self.call("listMessages", 200, token=self.alice, room_id="hall", query={"after": 0, "limit": 200})
        self.assertEqual(self.call("listMessages", 200, token=self.alice, room_id="den").json["next"], None)
        self.problem("listMessages", 400, "invalid_field", token=self.alice, room_id="hall", query={"after": 0, "before": 9})
        self.problem("listMessages", 404, "room_not_found", token=self.alice, room_id="nowhere")
        self.refused_outsider("listMessages", room_id="den")

        edit = {"message": "Hello again"}
        self.call("editMessage", 200, edit, token=self.alice, room_id="hall", id=self.id)
        self.assertIn("edited_at", self.call("getMessage", 200, token=self.bob, room_id="hall", id=self.id).json)
        self.problem("editMessage", 403, "forbidden", edit, token=self.bob, room_id="hall", id=self.id)
        self.problem("editMessage", 404, "message_not_found", edit, token=self.bob, room_id="hall", id=NO_ID)
        self.problem("deleteMessage", 404, "message_not_found", token=self.bob, room_id="hall", id=NO_ID)
        gone = self.call("postMessage", 201, {"message": "oops"}, token=self.bob, room_id="hall").json["id"]
        own = self.call("postMessage", 201, {"message": "mine"}, token=self.alice, room_id="hall").json["id"]
        self.call("putMember", 200, {"role": "member"}, token=self.alice, room_id="hall", user_id="bob")
        self.problem("deleteMessage", 403, "forbidden", token=self.bob, room_id="hall", id=own)
        self.call("deleteMessage", 200, token=self.bob, room_id="hall", id=gone)
        self.problem("deleteMessage", 409, "message_deleted", token=self.bob, room_id="hall", id=gone)
        self.problem("editMessage", 409, "message_deleted", edit, token=self.bob, room_id="hall", id=gone)
        self.problem("addReaction", 409, "message_deleted", token=self.bob, room_id="hall", id=gone, reaction="+1")
        self.problem("removeReaction", 409, "message_deleted", token=self.bob, room_id="hall", id=gone, reaction="+1")
        self.assertTrue(self.call("getMessage", 200, token=self.bob, room_id="hall", id=gone).json["deleted"])

    def walk_reactions_and_the_log(self):
        at = {"room_id": "hall", "id": self.id, "reaction": "\U0001F44D"}
        self.assertFalse(self.call("addReaction", 200, token=self.bob, **at).json["duplicate"])
        self.assertTrue(self.call("addReaction", 200, token=self.bob, **at).json["duplicate"])
        self.assertEqual(len(self.call("getMessage", 200, token=self.bob, room_id="hall", id=self.id).json["reactions"]), 1)
        self.call("removeReaction", 200, token=self.bob, **at)
        for operation_id in ("addReaction", "removeReaction"):
            self.problem(operation_id, 404, "message_not_found", token=self.bob, **{**at, "id": NO_ID})
            self.refused_outsider(operation_id, **{**at, "room_id": "den"})
            self.problem(operation_id, 400, "invalid_field", token=self.bob, **{**at, "reaction": "x" * 33})
        page = self.call("listEvents", 200, token=self.alice, room_id="hall", query={"after": 0, "limit": 3}).json
        self.assertTrue(page["more"])
        self.call("listEvents", 200, token=self.alice, room_id="hall", query={"after": page["next"], "limit": 200})
        newest = self.call("listEvents", 200, token=self.alice, room_id="hall", query={"limit": 3}).json
        self.assertEqual(newest["items"][-1]["data"]["id"], newest["last_id"])
        self.call("listEvents", 200, token=self.alice, room_id="hall", query={"before": newest["next"]})
        self.problem("listEvents", 404, "room_not_found", token=self.alice, room_id="nowhere")
        self.refused_outsider("listEvents", room_id="den")
        self.call("markRead", 200, {"id": self.id}, token=self.alice, room_id="hall")
        self.problem("markRead", 404, "room_not_found", {"id": 1}, token=self.alice, room_id="nowhere")
        self.refused_outsider("markRead", {"id": 1}, room_id="den")

    def walk_the_server_itself(self):
        self.call("health", 200)
        self.call("ready", 200)
        self.call("metrics", 200)
        self.call("keys", 200)
        for operation_id in ("chatPage", "setUpPage", "favicon"):
            page = self.call(operation_id, 200)
            self.call(operation_id, 304, headers={"If-None-Match": page.header("ETag")})
        names = set()
        for page in ("chatPage", "setUpPage"):
            names |= set(filter(None, (part.partition('"')[0] for part in self.call(page, 200).body.decode().split('"/assets/')[1:])))
        self.assertTrue(names, "the pages load no assets")
        for name in names:
            asset = self.call("asset", 200, name=name)
            self.call("asset", 304, name=name, headers={"If-None-Match": asset.header("ETag")})
        self.problem("asset", 404, "not_found", name="none.js")
        for operation_id, (method, template, operation) in docs.operations.items():
            if method == "GET" and "304" in operation["responses"] and template.startswith("/api"):
                path = {k: v for k, v in self.anything.items() if k in parameters_of(template)}
                token = self.admin if operation_id in ("listUsers", "listAudit") else self.alice
                etag = self.call(operation_id, 200, token=token, **path).header("ETag")
                self.call(operation_id, 304, token=token, headers={"If-None-Match": etag}, **path)

    @property
    def anything(self):
        """A value for each path parameter that exists."""
        return {"room_id": "hall", "user_id": "bob", "id": self.id, "reaction": "+1", "name": "none.js"}

    HANDSHAKE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg=="}

    def walk_handshakes(self):
        for operation_id, path in (("connect", {}), ("connectRoom", {"room_id": "hall"})):
            self.call(operation_id, 426, **path)
            self.problem(operation_id, 400, "invalid_field", headers={**self.HANDSHAKE, "Sec-WebSocket-Key": "short"}, **path)
            self.problem(operation_id, 401, "auth_failed", headers=self.HANDSHAKE, query={"token": "v4.public.AAAA"}, **path)
            self.problem(operation_id, 403, "origin_refused", headers={**self.HANDSHAKE, "Origin": "https://evil.example"}, **path)
            asyncio.run(self.upgrade(docs.operations[operation_id][1].format(**path)))
            self.rest.seen.add((operation_id, "101"))
        self.problem("connectRoom", 404, "room_not_found", headers=self.HANDSHAKE, room_id="NO SUCH")

    async def upgrade(self, path):
        async with websockets.connect(f"ws://127.0.0.1:{self.server.port}{path}", subprotocols=["confab.v1"], open_timeout=DEADLINE) as ws:
            self.assertEqual(ws.subprotocol, "confab.v1")

    def walk_what_every_operation_refuses(self):
        for operation_id, (method, template, operation) in docs.operations.items():
            if not template.startswith("/api"):
                continue
            path = {k: v for k, v in self.anything.items() if k in parameters_of(template)}
            with self.subTest(operation_id):
                if operation.get("security") != []:
                    self.problem(operation_id, 401, "auth_required", **path)
                    self.problem(operation_id, 401, "auth_failed", token="v4.public.AAAA", **path)
                self.problem(operation_id, 400, "unknown_field", token=self.admin, query={"no_such_parameter": 1},
                             body=self.example(operation_id), **path)
                if "requestBody" in operation:
                    as_json = {"Content-Type": "application/json"}
                    self.problem(operation_id, 400, "invalid_json", token=self.admin, raw=b"{", headers=as_json, **path)
                    self.problem(operation_id, 400, "unknown_field", {"no_such_member": 1}, token=self.admin, **path)
                    self.problem(operation_id, 413, "too_large", token=self.admin, raw=b'{"x":"' + b"x" * 70000 + b'"}', headers=as_json, **path)
                    self.problem(operation_id, 415, "unsupported_media", token=self.admin, raw=b"a=b",
                                 headers={"Content-Type": "application/x-www-form-urlencoded"}, **path)
        for method, path, status in (("GET", "/api/none", 404), ("GET", "/none", 404), ("DELETE", "/api/me", 405), ("POST", "/health", 405)):
            answer = self.server.http(method, path, token=self.admin)
            self.assertEqual(answer.status, status)
            self.assertEqual(docs.problems("openapi.yaml", {"$ref": "#/components/schemas/Problem"}, answer.json), [])

    def example(self, operation_id):
        """A body that the operation would take, made from its schema."""
        documented = docs.operations[operation_id][2].get("requestBody")
        if not documented:
            return None
        schema = docs.resolve("openapi.yaml", documented["content"]["application/json"]["schema"])
        values = {"username": "new", "password": PASSWORD, "new_password": PASSWORD, "old_password": PASSWORD, "setup_token": "x", "room_id": "new",
                  "message": "m", "id": 1}
        return {name: values[name] for name in schema.get("required", [])}

    def walk_endings(self):
        """What leaves nothing to work with comes last."""
        self.problem("archiveRoom", 403, "forbidden", token=self.bob, room_id="hall")
        self.call("archiveRoom", 200, token=self.alice, room_id="hall")
        self.problem("postMessage", 409, "room_archived", {"message": "x"}, token=self.alice, room_id="hall")
        self.problem("updateRoom", 409, "room_archived", {"name": "x"}, token=self.alice, room_id="hall")
        self.problem("unarchiveRoom", 403, "forbidden", token=self.bob, room_id="hall")
        self.call("unarchiveRoom", 200, token=self.alice, room_id="hall")
        for operation_id in ("archiveRoom", "unarchiveRoom", "deleteRoom"):
            self.problem(operation_id, 404, "room_not_found", token=self.alice, room_id="nowhere")
        self.problem("deleteRoom", 403, "forbidden", token=self.bob, room_id="hall")
        self.call("removeMember", 204, token=self.bob, room_id="hall", user_id="bob")
        self.call("deleteRoom", 204, token=self.alice, room_id="hall")
        self.call("updateUser", 200, {"disabled": True}, token=self.admin, user_id="bob")
        self.problem("getMe", 401, "revoked", token=self.bob)
        self.problem("logIn", 403, "forbidden", {"username": "bob", "password": PASSWORD})

    # Limits have a test of their own, and errors of the server are not made here.
    NOT_HERE = {"429", "500", "503"}

    def check_coverage(self):
        documented = {(operation_id, status) for operation_id, (_, _, operation) in docs.operations.items() for status in operation["responses"]}
        self.assertEqual(sorted((o, s) for o, s in documented - self.rest.seen if s not in self.NOT_HERE and (o, s) != ("favicon", "204")), [])


class LimitContract(unittest.TestCase):
    def test_limits_are_told_in_headers_and_a_refusal_says_when_to_come_back(self):
        watch(self)
        with Server(RATE_PROFILE="tutorial") as server:
            rest = Rest(self, server)
            token = server.token("alice")
            post = rest.call("postMessage", 201, {"message": "m"}, token=token, room_id="general")
            self.assertIsNotNone(post.header("RateLimit"))
            self.assertIsNotNone(post.header("RateLimit-Policy"))
            for _ in range(100):
                answer = server.http("POST", "/api/rooms/general/messages", {"message": "m"}, token=token)
                if answer.status != 201:
                    break
            refused = rest.problem("postMessage", 429, "rate_limited", {"message": "m"}, token=token, room_id="general")
            self.assertGreaterEqual(int(refused.header("Retry-After")), 1)
            self.assertGreater(refused.json["retry_after_ms"], 0)


class Live:
    """One connection. Every frame that comes is judged."""

    def __init__(self, case, ws, seen):
        self.case, self.ws, self.seen, self.refs = case, ws, seen, itertools.count(1)

    @classmethod
    async def connect(cls, case, path, seen, token=None):
        headers = {"Authorization": "Bearer " + token} if token else None
        ws = await websockets.connect(f"ws://127.0.0.1:{case.server.port}{path}", extra_headers=headers, open_timeout=DEADLINE, compression=None)
        case.addAsyncCleanup(ws.close)
        return cls(case, ws, seen)

    async def next(self):
        text = await asyncio.wait_for(self.ws.recv(), DEADLINE)
        self.case.assertIsInstance(text, str, "a binary frame")
        frame = json.loads(text)
        self.case.assertEqual(docs.frame_problems(frame), [], text)
        self.seen.add(frame["type"])
        return frame

    async def until(self, **wanted):
        while True:
            frame = await self.next()
            if all(frame.get(k) == v for k, v in wanted.items()):
                return frame

    async def event(self, kind, room=None):
        while True:
            frame = await self.next()
            if frame["type"] == kind and (room is None or frame["data"]["room_id"] == room):
                return frame["data"]

    async def ask(self, answer, **command):
        """Sends a documented command and waits for the answer that repeats its ref."""
        ref = next(self.refs)
        command = {**command, "ref": ref if ref % 2 else f"r{ref}"}
        self.case.assertEqual(docs.command_problems(command), [])
        self.seen.add("command_" + command["type"])
        await self.ws.send(json.dumps(command))
        frame = await self.until(ref=command["ref"])
        self.case.assertEqual(frame["type"], answer, frame)
        return frame

    async def refused(self, code, **command):
        ref = next(self.refs)
        await self.ws.send(json.dumps({**command, "ref": ref}))
        frame = await self.until(ref=ref)
        self.case.assertEqual((frame["type"], frame.get("code")), ("error", code), frame)
        return frame

    async def closed(self):
        """Reads to the end; close code and reason."""
        try:
            while True:
                await self.next()
        except websockets.ConnectionClosed as end:
            return end.rcvd.code, end.rcvd.reason


class LiveContract(unittest.IsolatedAsyncioTestCase):
    maxDiff = None

    def setUp(self):
        watch(self)
        self.server = Server(AUTH_TIMEOUT_MS=2000 * FACTOR)
        self.addCleanup(self.server.close)
        self.server.start()
        self.tokens = self.server.add_users("alice", "bob")
        self.seen = set()

    async def test_every_documented_frame_happens(self):
        self.server.make_room("den", kind="private")
        alice = await Live.connect(self, "/ws", self.seen)
        hello = await alice.ask("auth_success", type="auth", token=self.tokens["alice"])
        bob = await Live.connect(self, "/ws/chat/general", self.seen, token=self.tokens["bob"])
        await bob.until(type="auth_success")
        await bob.until(type="joined", room_id="general")
        await bob.until(type="caught_up")
        await self.walk_joins(alice, hello)
        await self.walk_messages(alice, bob)
        await self.walk_presence(alice, bob)
        await self.walk_refusals(alice, bob)
        await self.walk_room_events(alice)
        await self.walk_closings()
        missing = (docs.answers | docs.event_kinds | {"command_" + c for c in docs.commands}) - self.seen
        self.assertEqual(sorted(missing), [])

    async def walk_joins(self, alice, hello):
        joined = await alice.ask("joined", type="join", room_id="general")
        self.assertEqual(joined["recovery"], "fresh")
        resumed = await alice.ask("joined", type="join", room_id="general", after=0, epoch=hello["epoch"])
        self.assertEqual(resumed["recovery"], "resumed")
        await alice.until(type="caught_up")
        changed = await alice.ask("joined", type="join", room_id="general", after=1, epoch="0" * 32)
        self.assertEqual(changed["recovery"], "epoch_changed")
        await alice.until(type="caught_up")

    async def walk_messages(self, alice, bob):
        ack = await alice.ask("ack", type="chat_message", room_id="general", message="Hello", client_id="k1")
        self.assertEqual((await bob.event("message"))["id"], ack["id"])
        again = await alice.ask("ack", type="chat_message", room_id="general", message="Hello", client_id="k1")
        self.assertTrue(again["duplicate"])
        await bob.ask("ack", type="chat_message", message="Hi", reply_to=ack["id"])
        await alice.ask("ack", type="edit_message", room_id="general", id=ack["id"], message="Hello!", client_id="k2")
        await bob.event("message_edited")
        await bob.ask("ack", type="react", id=ack["id"], reaction="\U0001F44D")
        await bob.event("reaction_added")
        await bob.ask("ack", type="unreact", id=ack["id"], reaction="\U0001F44D")
        await bob.event("reaction_removed")
        await alice.ask("ack", type="delete_message", room_id="general", id=ack["id"], client_id="k3")
        await bob.event("message_deleted")
        history = await bob.ask("history", type="history", limit=200)
        self.assertTrue(any(e["data"].get("deleted") for e in history["events"]))
        await alice.ask("history", type="history", room_id="general", before=3, limit=1)
        await alice.ask("history", type="history", room_id="general", after=0)
        await alice.ask("read", type="read", room_id="general", id=ack["id"])

    async def walk_presence(self, alice, bob):
        present = await alice.ask("presence", type="presence", room_id="general")
        self.assertEqual(sorted(present["users"]), ["alice", "bob"])
        for typing in ({}, {"typing": False}):
            command = {"type": "typing", "room_id": "general", **typing}
            self.assertEqual(docs.command_problems(command), [])
            self.seen.add("command_typing")
            await alice.ws.send(json.dumps(command))
            await bob.until(type="typing", user_id="alice", typing=not typing)
        await alice.ask("pong", type="ping")
        await alice.ask("heartbeat_ack", type="heartbeat")
        await alice.ask("left", type="leave", room_id="general")
        await bob.until(type="user_left", user_id="alice")
        await alice.ask("joined", type="join", room_id="general")
        await bob.until(type="user_joined", user_id="alice")

    async def walk_refusals(self, alice, bob):
        await alice.refused("unknown_type", type="no_such")
        await alice.refused("already_authenticated", type="auth", token=self.tokens["alice"])
        await alice.refused("room_not_found", type="join", room_id="nowhere")
        await alice.refused("not_a_member", type="join", room_id="den")
        self.assertEqual((await alice.refused("invalid_field", type="join", room_id="general", after=-1))["field"], "after")
        self.assertEqual((await alice.refused("missing_field", type="chat_message", message="m"))["field"], "room_id")
        self.assertEqual((await bob.refused("invalid_field", type="chat_message", message=""))["room_id"], "general")
        await bob.refused("message_not_found", type="edit_message", id=NO_ID, message="m")
        for command in docs.commands - {"ping", "heartbeat", "auth"}:
            await alice.refused("missing_field", type=command)
        await alice.ws.send("{")
        await alice.until(type="error", code="invalid_json", message="Invalid JSON format")

    async def walk_room_events(self, alice):
        """Everything that REST does to a room is an event on the socket."""
        def call(*args, **kw):
            return asyncio.to_thread(self.server.call, *args, **kw)
        await call("POST", "/api/rooms", {"room_id": "hall"}, status=201)
        await alice.ask("joined", type="join", room_id="hall", after=0)
        await alice.event("room_created", "hall")
        await alice.event("member_joined", "hall")
        for body, kind in (({"name": "Hall"}, "room_renamed"), ({"topic": "t"}, "room_topic_changed"), ({"kind": "private"}, "room_kind_changed")):
            await call("PUT", "/api/rooms/hall/members/alice", {"role": "moderator"})
            await call("PATCH", "/api/rooms/hall", body)
            await alice.event(kind, "hall")
        await call("PUT", "/api/rooms/hall/members/alice", {"role": "member"})
        await alice.event("member_role_changed", "hall")
        await call("PUT", "/api/rooms/hall/members/bob", {})
        await call("DELETE", "/api/rooms/hall/members/bob")
        await alice.event("member_left", "hall")
        await call("POST", "/api/rooms/hall/archive")
        await alice.event("room_archived", "hall")
        await call("POST", "/api/rooms/hall/unarchive")
        await alice.event("room_unarchived", "hall")
        await call("DELETE", "/api/rooms/hall")
        await alice.event("room_deleted", "hall")

    async def walk_closings(self):
        for send, code in (('{"type":"ping"}', "auth_required"), ('{"type":"auth","token":"v4.public.AAAA"}', "auth_failed"), (None, "auth_timeout")):
            live = await Live.connect(self, "/ws", self.seen)
            if send:
                await live.ws.send(send)
            await live.until(type="error", code=code)
            await self.check_close(live, 1008, code)
        live = await Live.connect(self, "/ws/chat/nowhere", self.seen, token=self.tokens["alice"])
        await self.check_close(live, 1008, "room_not_found")
        live = await Live.connect(self, "/ws", self.seen, token=self.tokens["bob"])
        await live.until(type="auth_success")
        await asyncio.to_thread(self.server.call, "POST", "/api/users/bob/revoke")
        await self.check_close(live, 4500, "revoked")

    async def check_close(self, live, close_code, code):
        got, reason = await live.closed()
        self.assertEqual(got, close_code)
        self.assertEqual(docs.problems("asyncapi.yaml", {"$ref": "#/components/schemas/CloseReason"}, json.loads(reason)), [], reason)
        self.assertEqual(json.loads(reason)["code"], code)


if __name__ == "__main__":
    unittest.main(verbosity=2)
