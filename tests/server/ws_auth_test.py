"""Who may connect, how they say who they are, and what ends it."""
import asyncio
import base64
import time
import unittest

import websockets

from confab_client import Client, RawSocket
from confab_server import PASSWORD, AsyncCase, Server, ServerCase, until

HELLO = ("user_id", "role", "session", "epoch", "heartbeat_interval_ms", "limits", "server")


def tampered(token):
    """The token with one bit of its payload changed."""
    head, payload, footer = token.rsplit(".", 2)
    raw = bytearray(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    raw[10] ^= 1
    return ".".join([head, base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="), footer])


class Authentication(ServerCase):
    async def test_the_first_message_authenticates(self):
        name = self.users("alice")
        async with await Client.login(self.server, self.token(name)) as c:
            self.assertEqual(c.hello["user_id"], name)
            self.assertEqual(c.hello["role"], "member")
            for member in HELLO:
                self.assertIn(member, c.hello)
            self.assertGreaterEqual(c.hello["limits"]["max_message_bytes"], 256)

    async def test_a_bearer_header_authenticates(self):
        name = self.users("alice")
        async with await Client.connect(self.server, headers={"Authorization": f"Bearer {self.token(name)}"}) as c:
            self.assertEqual((await c.wait("auth_success"))["user_id"], name)

    async def test_a_token_in_the_query_authenticates(self):
        name = self.users("alice")
        async with await Client.connect(self.server, f"/ws?token={self.token(name)}") as c:
            self.assertEqual((await c.wait("auth_success"))["user_id"], name)

    async def test_the_answer_to_auth_repeats_ref(self):
        async with await Client.connect(self.server) as c:
            await c.send(type="auth", token=self.token(self.users("alice")), ref=7)
            self.assertEqual((await c.wait("auth_success"))["ref"], 7)

    async def test_another_first_message_is_refused_as_auth_required(self):
        async with await Client.connect(self.server) as c:
            await c.send(type="ping")
            error = await c.wait("error")
            self.assertEqual((error["code"], error["message"]), ("auth_required", "Authentication required"))
            self.assertEqual((await c.closed())[0], 1008)

    async def test_nonsense_as_the_first_message_is_refused_as_auth_required(self):
        async with await Client.connect(self.server) as c:
            await c.send("this is not JSON")
            self.assertEqual((await c.wait("error"))["code"], "auth_required")
            self.assertEqual((await c.closed())[0], 1008)

    async def test_a_wrong_token_is_refused_and_the_connection_closed(self):
        good = self.token(self.users("alice"))
        for token in ("", "nonsense", "v4.public.AAAA", tampered(good), good[:-4], good + "x", good.replace("v4.public", "v4.local")):
            with self.subTest(token=token[:20]):
                async with await Client.connect(self.server) as c:
                    await c.send(type="auth", token=token)
                    error = await c.wait("error")
                    self.assertIn(error["code"], ("auth_failed", "auth_required"))
                    code, reason = await c.closed()
                    self.assertEqual((code, reason["code"]), (1008, error["code"]))

    async def test_a_tampered_token_says_authentication_failed(self):
        async with await Client.connect(self.server) as c:
            await c.send(type="auth", token=tampered(self.token(self.users("alice"))))
            error = await c.wait("error")
            self.assertEqual((error["code"], error["message"]), ("auth_failed", "Authentication failed"))

    async def test_a_wrong_token_in_the_handshake_is_answered_401(self):
        good = self.token(self.users("alice"))
        for token in ("nonsense", tampered(good)):
            for path, headers in ((f"/ws?token={token}", None), ("/ws", {"Authorization": f"Bearer {token}"})):
                with self.subTest(path=path[:12], token=token[:12]):
                    with self.assertRaises(websockets.InvalidStatusCode) as refused:
                        await Client.connect(self.server, path, headers=headers)
                    self.assertEqual(refused.exception.status_code, 401)

    async def test_an_expired_token_is_refused(self):
        name = self.users("alice")
        token = self.server.run("token", name, "--ttl", "1", check=True).out.strip().split()[-1]
        self.assertEqual(self.server.http("GET", "/api/me", token=self.token(name)).status, 200)
        until(lambda: self.server.http("GET", "/api/me", token=token).status == 401, "the token to expire")
        async with await Client.connect(self.server) as c:
            await c.send(type="auth", token=token)
            self.assertEqual((await c.wait("error"))["code"], "auth_failed")
            self.assertEqual((await c.closed())[0], 1008)

    async def test_a_token_of_another_server_is_refused(self):
        name = self.users("alice")
        with Server() as other:
            foreign = other.token(name)
        async with await Client.connect(self.server) as c:
            await c.send(type="auth", token=foreign)
            self.assertEqual((await c.wait("error"))["code"], "auth_failed")

    async def test_authenticating_twice_is_refused_and_leaves_the_connection_open(self):
        token = self.token(self.users("alice"))
        async with await Client.login(self.server, token) as c:
            await c.send(type="auth", token=token)
            self.assertEqual((await c.wait("error"))["code"], "already_authenticated")
            self.assertEqual((await c.ask("ping"))["type"], "pong")

    async def test_commands_pipelined_behind_auth_are_answered_in_order(self):
        room = self.room()
        async with await Client.connect(self.server) as c:
            await c.send(type="auth", token=self.token(self.users("alice")))
            await c.send(type="join", room_id=room, ref=1)
            await c.send(type="chat_message", room_id=room, message="hello", ref=2)
            await c.send(type="ping", ref=3)
            await c.wait("ack", ref=2)
            direct = [f["type"] for f in c.log if f["type"] in ("auth_success", "joined", "ack")]
            self.assertEqual(direct, ["auth_success", "joined", "ack"])

    async def test_the_subprotocol_is_chosen_where_it_is_asked_for(self):
        async with await Client.connect(self.server, subprotocols=["confab.v1"]) as c:
            self.assertEqual(c.ws.subprotocol, "confab.v1")
        async with await Client.connect(self.server) as c:
            self.assertIsNone(c.ws.subprotocol)

    async def test_compression_that_is_offered_is_not_negotiated(self):
        async with await Client.connect(self.server, compression="deflate") as c:
            self.assertEqual(c.ws.extensions, [])
            await c.send(type="auth", token=self.token(self.users("alice")))
            await c.wait("auth_success")

    async def test_a_user_may_have_several_connections_that_all_receive(self):
        name, room = self.users("alice"), self.room()
        clients = [await Client.login(self.server, self.token(name)) for _ in range(5)]
        self.assertEqual(len({c.hello["session"] for c in clients}), 5)
        for c in clients:
            await c.join(room)
        await clients[0].send(type="chat_message", room_id=room, message="to all of me")
        for c in clients:
            await c.wait("message", data={"message": "to all of me", "user_id": name})
            await c.close()


class Revocation(ServerCase):
    async def two_connections(self):
        name = self.users("alice")
        return name, [await Client.login(self.server, self.token(name)) for _ in range(2)]

    async def assert_all_revoked(self, clients):
        for c in clients:
            code, reason = await c.closed()
            self.assertEqual((code, reason["code"]), (4500, "revoked"))

    async def test_revoking_through_rest_closes_live_connections_with_4500(self):
        name, clients = await self.two_connections()
        self.server.call("POST", f"/api/users/{name}/revoke", status=204)
        await self.assert_all_revoked(clients)

    async def test_disabling_through_rest_closes_live_connections_with_4500(self):
        name, clients = await self.two_connections()
        self.server.call("PATCH", f"/api/users/{name}", {"disabled": True})
        await self.assert_all_revoked(clients)

    async def test_disabling_on_the_command_line_closes_live_connections_with_4500(self):
        name, clients = await self.two_connections()
        self.server.run("user", "disable", name, check=True)
        await self.assert_all_revoked(clients)

    async def test_a_revoked_token_opens_no_new_connection(self):
        name, clients = await self.two_connections()
        self.server.call("POST", f"/api/users/{name}/revoke", status=204)
        await self.assert_all_revoked(clients)
        async with await Client.connect(self.server) as c:
            await c.send(type="auth", token=self.token(name))
            self.assertEqual((await c.wait("error"))["code"], "auth_failed")
            self.assertEqual((await c.closed())[0], 1008)
        self.assertEqual(self.server.http("GET", "/api/me", token=self.token(name)).status, 401)

    async def test_others_are_not_touched_by_a_revocation(self):
        name, clients = await self.two_connections()
        async with await Client.login(self.server, self.token(self.users("bob"))) as bystander:
            self.server.call("POST", f"/api/users/{name}/revoke", status=204)
            await self.assert_all_revoked(clients)
            self.assertEqual((await bystander.ask("ping"))["type"], "pong")

    async def test_logging_out_closes_the_connections_of_that_session_only(self):
        name = self.fresh("carol")
        self.server.add_password_user(name)
        login = {"username": name, "password": PASSWORD}
        first = self.server.call("POST", "/api/auth/login", login)
        second = self.server.call("POST", "/api/auth/login", login)
        a = await Client.login(self.server, first["access_token"])
        b = await Client.login(self.server, second["access_token"])
        self.server.call("POST", "/api/auth/logout", {"refresh_token": first["refresh_token"]}, status=204)
        self.assertEqual((await a.closed())[0], 4500)
        self.assertEqual((await b.ask("ping"))["type"], "pong")
        await b.close()

    async def test_a_changed_password_closes_the_connections_of_other_sessions(self):
        name = self.fresh("carol")
        self.server.add_password_user(name)
        login = {"username": name, "password": PASSWORD}
        mine = self.server.call("POST", "/api/auth/login", login)
        other = self.server.call("POST", "/api/auth/login", login)
        a = await Client.login(self.server, mine["access_token"])
        b = await Client.login(self.server, other["access_token"])
        self.server.call("POST", "/api/me/password", {"old_password": PASSWORD, "new_password": "another good one"},
                         token=mine["access_token"], status=204)
        self.assertEqual((await b.closed())[0], 4500)
        self.assertEqual((await a.ask("ping"))["type"], "pong")
        await a.close()


class Timeout(AsyncCase):
    async def test_who_says_nothing_is_told_of_the_timeout_and_closed(self):
        with Server(AUTH_TIMEOUT_MS=300) as server:
            begun = time.monotonic()
            async with await Client.connect(server) as c:
                error = await c.wait("error")
                self.assertEqual((error["code"], error["message"]), ("auth_timeout", "Authentication timeout"))
                self.assertGreaterEqual(time.monotonic() - begun, 0.25)
                self.assertEqual((await c.closed())[0], 1008)
            with RawSocket(server) as half:  # half a frame does not count as saying something
                half.send(b"\x81")
                self.assertEqual(half.read()["code"], "auth_timeout")
                self.assertEqual(half.read_close()[0], 1008)
            async with await Client.login(server, server.token("alice")) as c:
                with self.assertRaises(asyncio.TimeoutError):  # the deadline is over once one is in
                    await asyncio.wait_for(c.ws.recv(), 0.6)
                self.assertEqual((await c.ask("ping"))["type"], "pong")


if __name__ == "__main__":
    unittest.main()
