"""Limits and lives of connections: heartbeats, rates, how many, from where."""
import asyncio
import time
import unittest

import websockets

from confab_client import PING, Client, RawSocket
from confab_server import FACTOR, AsyncCase, Server, ServerCase, until


class Heartbeat(AsyncCase):
    async def test_a_silent_peer_is_pinged_and_then_closed_with_4001_and_one_that_answers_stays(self):
        with Server(HEARTBEAT_MS=400 * FACTOR) as server:
            tokens = server.add_users("alice", "bob")
            lively = await Client.login(server, tokens["alice"])  # the library answers pings by itself, while nothing blocks this thread
            silent = await asyncio.to_thread(RawSocket.login, server, tokens["bob"])
            begun = time.monotonic()
            opcode, _ = await asyncio.to_thread(silent.read_frame)
            self.assertEqual(opcode, PING)
            code, reason = await asyncio.to_thread(silent.read_close)
            self.assertEqual((code, reason), (4001, '{"code":"pong_timeout"}'))
            self.assertGreater(time.monotonic() - begun, 0.7 * FACTOR, "two pings are waited for")
            self.assertEqual((await lively.ask("ping"))["type"], "pong")
            silent.close()
            await lively.close()

    async def test_any_traffic_counts_as_life(self):
        with Server(HEARTBEAT_MS=400 * FACTOR) as server:
            with RawSocket.login(server, server.token("bob")) as c:
                end = time.monotonic() + 2 * FACTOR
                while time.monotonic() < end:
                    c.send({"type": "heartbeat"})  # no pong frame is ever sent
                    c.read_type("heartbeat_ack")
                    await asyncio.sleep(0.05)
                c.send({"type": "ping"})
                c.read_type("pong")

    async def test_the_hello_tells_the_interval(self):
        with Server(HEARTBEAT_MS=12345) as server:
            async with await Client.login(server, server.token("alice")) as c:
                self.assertEqual(c.hello["heartbeat_interval_ms"], 12345)


class Rates(AsyncCase):
    async def test_the_tutorial_profile_takes_ten_messages_and_refuses_the_eleventh(self):
        with Server(RATE_PROFILE="tutorial") as server:
            async with await Client.login(server, server.token("alice")) as c:
                await c.join("general")
                for i in range(10):
                    await c.post("general", f"m{i}")
                refused = await c.ask("chat_message", room_id="general", message="one too many", client_id="k11")
                self.assertEqual((refused["code"], refused["message"]), ("rate_limited", "Rate limit exceeded"))
                self.assertEqual((refused["client_id"], refused["room_id"]), ("k11", "general"))
                self.assertGreater(refused["retry_after_ms"], 0)
                self.assertLessEqual(refused["retry_after_ms"], 60000)
                rest = server.http("POST", "/api/rooms/general/messages", {"message": "this way neither"}, token=server.token("alice"))
                self.assertEqual((rest.status, rest.code), (429, "rate_limited"))
                self.assertGreaterEqual(int(rest.header("Retry-After")), 1)
                self.assertIn("RateLimit", rest.headers)
                self.assertIn("RateLimit-Policy", rest.headers)
                for _ in range(30):  # coming back is never limited
                    await c.ask("leave", room_id="general")
                    await c.join("general", after=0)
                    self.assertEqual((await c.ask("history", room_id="general", after=0))["type"], "history")
                async with await Client.login(server, server.token("bob")) as other:
                    await other.post("general", "others are not limited")
            self.assertGreaterEqual(server.metric("confab_rate_limited_total"), 2)

    async def test_coming_back_with_cursors_is_not_limited_by_the_default_profile(self):
        with Server(RATE_PROFILE="default") as server:
            token = server.token("alice")
            for _ in range(40):
                async with await Client.login(server, token) as c:
                    await c.join("general", after=0)


class HowMany(AsyncCase):
    async def test_more_connections_than_the_server_takes_are_answered_503(self):
        with Server(MAX_CONNECTIONS=3) as server:
            token = server.token("alice")
            clients = [await Client.login(server, token) for _ in range(3)]
            with self.assertRaises(websockets.InvalidStatusCode) as refused:
                await Client.connect(server)
            self.assertEqual(refused.exception.status_code, 503)
            self.assertEqual(server.http("GET", "/health").json["active_connections"], 3)
            await clients.pop().close()
            until(lambda: server.active_connections() == 2, "the place to be free")
            clients.append(await Client.login(server, token))
            for c in clients:
                await c.close()

    async def test_more_connections_than_a_user_may_have_are_closed_with_4502(self):
        with Server(MAX_CONNECTIONS_PER_USER=2) as server:
            clients = [await Client.login(server, server.token("alice")) for _ in range(2)]
            third = await Client.connect(server)
            await third.send(type="auth", token=server.token("alice"))
            self.assertEqual((await third.wait("error"))["code"], "too_many_connections")
            code, reason = await third.closed()
            self.assertEqual((code, reason["code"]), (4502, "too_many_connections"))
            other = await Client.login(server, server.token("bob"))
            await clients.pop().close()
            until(lambda: server.active_connections() == 2, "the place to be free")
            clients.append(await Client.login(server, server.token("alice")))
            for c in (*clients, other):
                await c.close()

    async def test_more_connections_than_an_address_may_have_are_answered_503(self):
        with Server(MAX_CONNECTIONS_PER_ADDRESS=2) as server:
            clients = [await Client.login(server, server.token("alice")) for _ in range(2)]
            with self.assertRaises(websockets.InvalidStatusCode) as refused:
                await Client.connect(server)
            self.assertEqual(refused.exception.status_code, 503)
            for c in clients:
                await c.close()

    async def test_connections_that_come_and_go_leave_no_descriptor_behind(self):
        with Server() as server:
            token = server.token("alice")
            async with await Client.login(server, token) as c:
                await c.join("general")
            until(lambda: server.active_connections() == 0, "everyone to be gone")
            before = server.descriptors()
            for round_ in range(5):
                clients = await asyncio.gather(*(Client.login(server, token) for _ in range(30)))
                for i, c in enumerate(clients):
                    await (c.close() if (i + round_) % 2 else c.abort())
            until(lambda: server.active_connections() == 0, "everyone to be gone")
            until(lambda: server.descriptors() <= before + 2, "the descriptors to be closed")


class Origins(AsyncCase):
    async def connect(self, server, origin):
        try:
            async with await Client.connect(server, origin=origin):
                return 101
        except websockets.InvalidStatusCode as e:
            return e.status_code

    async def test_foreign_web_origins_are_refused_and_own_and_listed_ones_allowed(self):
        with Server(ALLOWED_ORIGINS="https://chat.example.org, http://localhost:3000", PUBLIC_URL="https://public.example.org") as server:
            own = f"http://127.0.0.1:{server.port}"
            for origin, status in (("http://evil.example", 403), ("null", 403), ("https://chat.example.org.evil.example", 403),
                                   ("http://chat.example.org", 403), (own + "1", 403), (own, 101), ("https://chat.example.org", 101),
                                   ("http://localhost:3000", 101), ("https://public.example.org", 101), (None, 101)):
                with self.subTest(origin=origin):
                    self.assertEqual(await self.connect(server, origin), status)

    async def test_a_star_allows_any_origin(self):
        with Server(ALLOWED_ORIGINS="*") as server:
            self.assertEqual(await self.connect(server, "http://anywhere.example"), 101)


class Paths(ServerCase):
    async def test_other_paths_below_ws_are_not_found(self):
        for path in ("/ws/chat", "/ws/chat/", "/ws/other", "/ws/chat/a/b", "/wsx"):
            with self.subTest(path=path):
                with self.assertRaises(websockets.InvalidStatusCode) as refused:
                    await Client.connect(self.server, path)
                self.assertIn(refused.exception.status_code, (404, 400))

    async def test_metrics_and_health_count_connections(self):
        until(lambda: self.server.active_connections() == 0, "everyone to be gone")
        before = self.server.metric("websocket_connections_total")
        clients = [await Client.login(self.server, self.token(self.users("alice"))) for _ in range(3)]
        self.assertEqual(self.server.active_connections(), 3)
        self.assertEqual(self.server.metric("websocket_active_connections"), 3)
        self.assertEqual(self.server.metric("websocket_connections_total"), before + 3)
        for c in clients:
            await c.close()
        until(lambda: self.server.metric("websocket_active_connections") == 0, "everyone to be gone")


if __name__ == "__main__":
    unittest.main()
