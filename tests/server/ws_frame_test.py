"""Bytes on the wire, by hand: what RFC 6455 asks of a server, and what no ordinary client would send."""
import json
import socket
import struct
import unittest

from confab_client import BINARY, CLOSE, PING, PONG, TEXT, RawSocket, frame, text
from confab_server import DEADLINE, ServerCase


class Frames(ServerCase):
    settings = {"MAX_MESSAGE_BYTES": 16384}

    def open(self, path="/ws"):
        raw = RawSocket.login(self.server, self.token(self.users("raw")), path)
        self.addCleanup(raw.close)
        return raw

    def assertClosed(self, raw, code):
        self.assertEqual(raw.read_close()[0], code)
        self.assertTrue(self.ends(raw))

    @staticmethod
    def ends(raw):
        raw.read_end()
        return True

    def assertAlive(self, raw):
        raw.send({"type": "ping", "ref": "alive"})
        while raw.read().get("ref") != "alive":
            pass

    def test_a_binary_frame_closes_with_1003(self):
        raw = self.open()
        raw.send(frame(BINARY, b'{"type":"ping"}'))
        self.assertClosed(raw, 1003)

    def test_a_frame_that_announces_too_much_closes_with_1009_before_its_payload_has_come(self):
        for length in (16385, 1 << 31, 1 << 62):
            raw = self.open()
            raw.send(frame(TEXT, b"{", length=length))
            self.assertClosed(raw, 1009)

    def test_fragments_that_sum_up_to_too_much_close_with_1009(self):
        raw = self.open()
        raw.send(frame(TEXT, b"x" * 10000, fin=False), frame(0, b"x" * 10000, fin=True))
        self.assertClosed(raw, 1009)

    def test_a_frame_of_exactly_the_limit_is_taken(self):
        raw = self.open()
        head = '{"type":"ping","ref":"big","pad":"'
        raw.send(text(head + "x" * (16384 - len(head) - 2) + '"}'))
        self.assertEqual(raw.read_type("pong")["ref"], "big")

    def test_invalid_utf8_closes_with_1007(self):
        for payload in (b'{"type":"\xff"}', b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b'{"type":"ping"}\xe2\x82'):
            with self.subTest(payload=payload):
                raw = self.open()
                raw.send(frame(TEXT, payload))
                self.assertClosed(raw, 1007)

    def test_a_character_split_over_fragments_is_fine_and_a_broken_one_is_not(self):
        raw = self.open()
        body = json.dumps({"type": "ping", "ref": "€"}, ensure_ascii=False).encode()
        cut = body.index(b"\xe2") + 1
        raw.send(frame(TEXT, body[:cut], fin=False), frame(0, body[cut:]))
        self.assertEqual(raw.read_type("pong")["ref"], "€")
        raw.send(frame(TEXT, body[:cut], fin=False), frame(0, b"x" + body[cut:]))
        self.assertClosed(raw, 1007)

    def test_an_unmasked_frame_closes_with_1002(self):
        raw = self.open()
        raw.send(frame(TEXT, b'{"type":"ping"}', masked=False))
        self.assertClosed(raw, 1002)

    def test_protocol_errors_close_with_1002(self):
        errors = {
            "a reserved bit": [frame(TEXT, b"{}", rsv=4)],
            "a reserved opcode": [frame(3, b"{}")],
            "a reserved control opcode": [frame(11, b"")],
            "a fragmented ping": [frame(PING, b"x", fin=False)],
            "a ping of 126 bytes": [frame(PING, b"x" * 126)],
            "a continuation of nothing": [frame(0, b"{}")],
            "a message within a message": [frame(TEXT, b"{", fin=False), frame(TEXT, b"}")],
            "a length in a longer form than needed": [frame(TEXT, b"{}", long_form=126)],
            "a close frame with one byte": [frame(CLOSE, b"x")],
            "a close code that nobody may send": [frame(CLOSE, struct.pack("!H", 1005))],
        }
        for name, frames in errors.items():
            with self.subTest(name):
                raw = self.open()
                raw.send(*frames)
                self.assertClosed(raw, 1002)

    def test_a_ping_is_answered_with_its_payload(self):
        raw = self.open()
        for payload in (b"", b"hello", bytes(range(125))):
            raw.send(frame(PING, payload))
            self.assertEqual(raw.read_frame(), (PONG, payload))

    def test_an_unasked_pong_is_passed_over(self):
        raw = self.open()
        raw.send(frame(PONG, b"unasked"))
        self.assertAlive(raw)

    def test_fragments_with_pings_between_them_are_one_message(self):
        raw = self.open()
        raw.send(frame(TEXT, b'{"type":', fin=False), frame(PING, b"1"), frame(0, b'"ping",', fin=False), frame(PING, b"2"),
                 frame(0, b"", fin=False), frame(0, b'"ref":"f"}'))
        got = [raw.read_frame() for _ in range(3)]
        self.assertEqual(got[:2], [(PONG, b"1"), (PONG, b"2")])
        self.assertEqual(json.loads(got[2][1])["ref"], "f")

    def test_frames_that_come_one_byte_at_a_time_are_understood(self):
        raw = self.open()
        for byte in text({"type": "ping", "ref": "slow"}) + frame(PING, b"p"):
            raw.send(bytes([byte]))
        self.assertEqual(raw.read_type("pong")["ref"], "slow")
        self.assertEqual(raw.read_frame(), (PONG, b"p"))

    def test_many_fragments_of_one_byte_are_one_message(self):
        raw = self.open()
        body = json.dumps({"type": "ping", "ref": "crumbs", "pad": "x" * 400}).encode()
        frames = [frame(TEXT, body[:1], fin=False)] + [frame(0, body[i:i + 1], fin=False) for i in range(1, len(body) - 1)]
        raw.send(*frames, frame(0, body[-1:]))
        self.assertEqual(raw.read_type("pong")["ref"], "crumbs")

    def test_a_close_is_answered_with_the_same_code_and_the_end(self):
        for code in (1000, 1001, 4321):
            raw = self.open()
            raw.send(frame(CLOSE, struct.pack("!H", code) + b"bye"))
            opcode, payload = raw.read_frame()
            self.assertEqual((opcode, struct.unpack("!H", payload[:2])[0]), (CLOSE, code))
            self.ends(raw)
        raw = self.open()
        raw.send(frame(CLOSE))
        self.assertEqual(raw.read_frame()[0], CLOSE)
        self.ends(raw)

    def test_what_follows_a_close_frame_is_not_run(self):
        room = self.room()
        raw = self.open()
        raw.send({"type": "join", "room_id": room})
        raw.read_type("caught_up")
        raw.send(frame(CLOSE, struct.pack("!H", 1000)), text({"type": "chat_message", "room_id": room, "message": "too late"}))
        self.ends(raw)
        self.assertNotIn("too late", str(self.server.events(room)))

    def test_a_thousand_commands_in_one_segment_are_answered_in_order(self):
        room = self.room()
        raw = self.open()
        raw.send({"type": "join", "room_id": room})
        raw.read_type("caught_up")
        raw.send(*[{"type": "chat_message", "room_id": room, "message": f"m{i}", "ref": i, "client_id": f"k{i}"} for i in range(1000)])
        acks, events = [], []
        while len(acks) < 1000 or len(events) < 1000:
            got = raw.read()
            if got["type"] == "ack":
                acks.append((got["ref"], got["id"]))
            elif got["type"] == "message":
                events.append((got["data"]["id"], got["data"]["message"]))
        self.assertEqual([ref for ref, _ in acks], list(range(1000)))
        first = acks[0][1]
        self.assertEqual([i for _, i in acks], list(range(first, first + 1000)))
        self.assertEqual(events, [(first + i, f"m{i}") for i in range(1000)])

    def test_mixed_commands_in_one_segment_are_answered_in_order(self):
        rooms = [self.room() for _ in range(3)]
        raw = self.open()
        commands = []
        for i in range(100):
            commands += [{"type": "ping"}, {"type": "nonsense"}, {"type": "join", "room_id": rooms[i % 3], "after": 0},
                         {"type": "presence", "room_id": rooms[i % 3]}]
        raw.send(*[{**c, "ref": i} for i, c in enumerate(commands)])
        refs = []
        while len(refs) < len(commands):
            got = raw.read()
            if "ref" in got:
                refs.append(got["ref"])
        self.assertEqual(refs, list(range(len(commands))))

    def test_a_flood_of_pings_is_answered_and_costs_no_memory(self):
        raw = self.open()
        for _ in range(20):
            raw.send(*[frame(PING, b"x" * 100)] * 500)
            for _ in range(500):
                self.assertEqual(raw.read_frame(), (PONG, b"x" * 100))

    def test_a_handshake_that_is_none_is_refused(self):
        token = self.token(self.users("raw"))
        for name, headers, drop in (("an old version", ["Sec-WebSocket-Version: 8"], "Sec-WebSocket-Version"),
                                    ("no key", [], "Sec-WebSocket-Key")):
            with self.subTest(name):
                raw = Handshake(self.server, token, headers, drop)
                self.assertIn(raw.status // 100, (4,))
                raw.close()

    def test_a_plain_get_of_the_websocket_path_is_refused(self):
        answer = self.server.http("GET", "/ws", token=self.token(self.users("raw")))
        self.assertIn(answer.status, (400, 426))


class Handshake(RawSocket):
    """A handshake with one header left out or replaced."""

    def __init__(self, server, token, headers, drop):
        self.sock = socket.create_connection(server.address, timeout=DEADLINE)
        self.buffer = b""
        lines = {"Host": "x", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                 "Sec-WebSocket-Version": "13", "Authorization": f"Bearer {token}"}
        del lines[drop]
        head = "GET /ws HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "".join(h + "\r\n" for h in headers)
        self.sock.sendall((head + "\r\n").encode())
        while b"\r\n" not in self.buffer:
            self._fill()
        self.status = int(self.buffer.split()[1])


if __name__ == "__main__":
    unittest.main()
