"""HTTP that no well-meaning client sends: raw bytes over sockets."""
import http.client
import json
import socket
import unittest

from confab_server import DEADLINE, PASSWORD, ServerCase


class Robustness(ServerCase):
    def open(self):
        sock = socket.create_connection(self.server.address, timeout=DEADLINE)
        self.addCleanup(sock.close)
        return sock

    def exchange(self, data):
        """Sends bytes and reads to the end of the connection; (status, head, body) of the first answer, status 0 where there is none."""
        sock = self.open()
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server may have seen enough already
        answer = b""
        try:
            while True:
                more = sock.recv(65536)
                if not more:
                    break
                answer += more
        except ConnectionResetError:
            pass
        if not answer:
            return 0, "", b""
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), head.decode("latin-1"), body

    def request(self, line, *headers, body=b""):
        head = "\r\n".join([line, "Host: confab", "Connection: close", *headers]) + "\r\n\r\n"
        return self.exchange(head.encode("latin-1") + body)

    def assertServes(self):
        self.assertEqual(self.server.http("GET", "/health").status, 200)

    def bearer(self):
        return f"Authorization: Bearer {self.server.admin}"

    def post(self, body, *headers):
        return self.request("POST /api/rooms HTTP/1.1", self.bearer(), "Content-Type: application/json", *headers, body=body)

    def test_health_ready_and_metrics_answer_everyone(self):
        health = self.server.http("GET", "/health").json
        self.assertEqual((health["status"], set(health)), ("healthy", {"status", "active_connections", "uptime", "version"}))
        ready = self.server.http("GET", "/ready")
        self.assertEqual(ready.status, 200)
        metrics = self.server.http("GET", "/metrics")
        self.assertTrue(metrics.header("Content-Type").startswith("text/plain"))
        for name in ("websocket_connections_total", "websocket_messages_total", "websocket_connection_duration_seconds_bucket",
                     "websocket_active_connections", "confab_commit_batch_size_bucket", "confab_fanout_lag_seconds_bucket",
                     "confab_writer_queue_depth", "confab_rate_limited_total"):
            self.assertIn("\n" + name, metrics.body.decode())

    def test_unknown_paths_are_404_and_known_ones_with_another_method_405(self):
        for path in ("/nothing", "/api", "/api/", "/api/nothing", "/api/rooms/", "/api/rooms/general/nothing", "//", "/../etc/passwd",
                     "/%2e%2e/%2e%2e/etc/passwd", "/assets/../../x", "/.git/config", "/health/x"):
            with self.subTest(path=path):
                self.assertIn(self.request(f"GET {path} HTTP/1.1")[0], (400, 404))
        answer = self.server.http("DELETE", "/api/me", token=self.server.admin)
        self.assertProblem(answer, 405, "method_not_allowed")
        self.assertEqual(set(answer.header("Allow").split(", ")), {"GET", "HEAD", "PATCH"})
        for method in ("TRACE", "CONNECT", "OPTIONS", "BREW", "get"):
            with self.subTest(method=method):
                self.assertIn(self.request(f"{method} /health HTTP/1.1")[0], (400, 405, 501, 0))
        self.assertServes()

    def test_head_is_get_without_the_body(self):
        for path in ("/health", "/", "/metrics"):
            status, head, body = self.request(f"HEAD {path} HTTP/1.1")
            self.assertEqual((status, body), (200, b""), path)
            self.assertIn("content-length:", head.lower())
            self.assertNotIn("content-length: 0\r", head.lower() + "\r")

    def test_pages_come_with_a_strict_policy(self):
        answer = self.server.http("GET", "/")
        self.assertEqual(answer.status, 200)
        policy = answer.header("Content-Security-Policy")
        for part in ("default-src 'none'", "frame-ancestors 'none'"):
            self.assertIn(part, policy)
        for weak in ("unsafe-inline", "unsafe-eval", "*"):
            self.assertNotIn(weak, policy)
        self.assertEqual(answer.header("X-Content-Type-Options"), "nosniff")
        assets = {w for w in answer.body.decode().split('"') if w.startswith(("/assets/", "assets/"))}
        for asset in assets:
            got = self.server.http("GET", "/" + asset.lstrip("/"))
            self.assertEqual(got.status, 200, asset)
            if got.header("ETag"):
                again = self.server.http("GET", "/" + asset.lstrip("/"), headers={"If-None-Match": got.header("ETag")})
                self.assertEqual((again.status, again.body), (304, b""))

    def test_a_body_that_announces_too_much_is_refused_before_it_comes(self):
        status, _, body = self.post(b"", "Content-Length: 65537")
        self.assertEqual((status, json.loads(body)["code"]), (413, "too_large"))
        self.assertEqual(self.post(b"", "Content-Length: 99999999999")[0], 413)
        self.assertServes()

    def test_a_chunked_body_that_grows_too_large_is_refused(self):
        chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
        self.assertEqual(self.post(chunk * 5 + b"0\r\n\r\n", "Transfer-Encoding: chunked")[0], 413)
        self.assertServes()

    def test_a_chunked_body_is_understood(self):
        body = json.dumps({"room_id": self.fresh("chunked-")}).encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (1, body[i:i + 1]) for i in range(len(body))) + b"0\r\n\r\n"
        self.assertEqual(self.post(chunks, "Transfer-Encoding: chunked")[0], 201)

    def test_ambiguous_framing_is_refused(self):
        body = b'{"room_id":"smuggled"}'
        length = f"Content-Length: {len(body)}"
        for name, headers in (("both", [length, "Transfer-Encoding: chunked"]), ("both, the other way", ["Transfer-Encoding: chunked", length]),
                              ("two lengths", [length, "Content-Length: 5"]), ("a negative length", ["Content-Length: -1"]),
                              ("a length with a sign", ["Content-Length: +22"]), ("a hex length", ["Content-Length: 0x16"]),
                              ("a list of lengths", ["Content-Length: 22, 22"]), ("an unknown encoding", ["Transfer-Encoding: gzip, chunked"]),
                              ("identity", ["Transfer-Encoding: identity"])):
            with self.subTest(name):
                self.assertEqual(self.post(body, *headers)[0], 400)
        self.assertEqual(self.server.http("GET", "/api/rooms/smuggled", token=self.server.admin).status, 404)

    def test_a_smuggled_second_request_is_not_run(self):
        inner = f"POST /api/rooms HTTP/1.1\r\nHost: x\r\n{self.bearer()}\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n"
        body = b"0\r\n\r\n" + inner.encode() + b'{"room_id":"smuggled2"}'
        self.exchange(("POST /api/rooms HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n" % (self.bearer(), len(body))).encode() + body)
        self.assertEqual(self.server.http("GET", "/api/rooms/smuggled2", token=self.server.admin).status, 404)

    def test_bodies_that_are_no_json_are_refused(self):
        for body, code in ((b"{", "invalid_json"), (b"[]", "invalid_json"), (b'"x"', "invalid_json"), (b'{"room_id":"a"}x', "invalid_json"),
                           (b"\xff\xfe", "invalid_json"), (b'{"a":' * 5000, None), (b'{"room_id":"a","room_id":"b"}', "invalid_field"),
                           (b'{"room_id":"\xff"}', None)):
            with self.subTest(body=body[:20]):
                status, _, answer = self.post(body, f"Content-Length: {len(body)}")
                self.assertEqual(status, 400)
                if code:
                    self.assertEqual(json.loads(answer)["code"], code)

    def test_a_body_of_another_type_is_415(self):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""):
            answer = self.server.http("POST", "/api/rooms", token=self.server.admin, raw=b'{"room_id":"a"}', headers={"Content-Type": kind})
            self.assertProblem(answer, 415, "unsupported_media")
        name = self.fresh("typed-")
        fine = self.server.http("POST", "/api/rooms", token=self.server.admin, raw=json.dumps({"room_id": name}).encode(),
                                headers={"Content-Type": "Application/JSON; charset=utf-8"})
        self.assertEqual(fine.status, 201)

    def test_partial_requests_do_not_block_others(self):
        half = [self.open() for _ in range(6)]  # of 8 threads
        for i, sock in enumerate(half):
            sock.sendall([b"GET /hea", b"POST /api/rooms HTTP/1.1\r\nContent-Le", b""][i % 3])
        for _ in range(20):
            self.assertServes()
        half[0].sendall(b"lth HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertTrue(half[0].recv(4096).startswith(b"HTTP/1.1 200"), "the first of them goes on when it likes to")

    def test_a_request_that_comes_in_crumbs_is_answered(self):
        sock = self.open()
        for byte in b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":
            sock.sendall(bytes([byte]))
        self.assertTrue(sock.recv(4096).startswith(b"HTTP/1.1 200"))

    def test_pipelined_requests_are_answered_in_order(self):
        sock = self.open()
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
                     b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while True:
            more = sock.recv(65536)
            if not more:
                break
            answer += more
        self.assertEqual([part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]], [b"200", b"404", b"200"])

    def test_keep_alive_serves_many_requests_on_one_connection(self):
        connection = http.client.HTTPConnection(*self.server.address, timeout=DEADLINE)
        self.addCleanup(connection.close)
        for i in range(30):
            connection.request("GET", "/health" if i % 2 else "/api/me", headers={"Authorization": f"Bearer {self.server.admin}"})
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, 200)

    def test_heads_that_are_too_large_or_broken_are_refused(self):
        cases = {
            "a header of 64 KiB": self.request("GET /health HTTP/1.1", "X-Long: " + "x" * 65536)[0],
            "a target of 10,000 bytes": self.request("GET /" + "x" * 10000 + " HTTP/1.1")[0],
            "500 headers": self.request("GET /health HTTP/1.1", *[f"X-{i}: 1" for i in range(500)])[0],
            "nonsense": self.exchange(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100 + b"\r\n\r\n")[0],
            "no version": self.exchange(b"GET /health\r\n\r\n")[0],
            "a bad percent": self.request("GET /api/rooms/%zz HTTP/1.1")[0],
            "a NUL": self.exchange(b"GET /he\x00alth HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[0],
        }
        for name, status in cases.items():
            with self.subTest(name):
                self.assertTrue(status == 0 or 400 <= status < 600, status)
                self.assertNotEqual(status, 500)
        self.assertServes()

    def test_a_forwarded_address_is_believed_from_trusted_proxies_only(self):
        name = self.fresh("forwarded-")
        self.server.http("POST", "/api/users", {"username": name}, token=self.server.admin, headers={"X-Forwarded-For": "203.0.113.9"})
        row = next(a for a in self.server.call("GET", "/api/audit?limit=20")["items"] if a["target"] == name)
        self.assertEqual(row["address"], "127.0.0.1")


class BehindAProxy(ServerCase):
    settings = {"TRUSTED_PROXIES": "127.0.0.1", "PUBLIC_URL": "https://chat.example.org"}

    def test_the_address_that_a_trusted_proxy_forwards_is_the_clients(self):
        for given, seen in (("203.0.113.9", "203.0.113.9"), ("198.51.100.1, 203.0.113.9", "203.0.113.9"), ("not an address", "127.0.0.1")):
            name = self.fresh("forwarded-")
            self.server.http("POST", "/api/users", {"username": name}, token=self.server.admin, headers={"X-Forwarded-For": given})
            row = next(a for a in self.server.call("GET", "/api/audit?limit=20")["items"] if a["target"] == name)
            self.assertEqual(row["address"], seen)

    def test_the_cookie_is_for_https_only_where_people_come_by_https(self):
        name = self.fresh("user-")
        self.server.add_password_user(name)
        answer = self.server.http("POST", "/api/auth/login", {"username": name, "password": PASSWORD, "cookie": True})
        self.assertIn("; Secure", answer.header("Set-Cookie"))


if __name__ == "__main__":
    unittest.main()
