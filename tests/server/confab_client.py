"""WebSocket clients: Python's `websockets` library for what an ordinary client does, and bare frames for what it never would."""
import asyncio
import base64
import contextlib
import json
import os
import socket
import struct

import websockets

from confab_server import DEADLINE


def matches(frame, wanted):
    """Is `wanted` a part of `frame`? Members of nested objects are compared the same way."""
    for key, value in wanted.items():
        if key not in frame:
            return False
        if isinstance(value, dict) and isinstance(frame[key], dict):
            if not matches(frame[key], value):
                return False
        elif frame[key] != value:
            return False
    return True


class Closed(Exception):
    def __init__(self, code, reason):
        super().__init__(f"closed with {code} {reason}")
        self.code = code
        self.reason = reason


class Client:
    """One connection. Every frame received is kept in `log`, in order; events by room in `events`."""

    def __init__(self, ws):
        self.ws = ws
        self.log = []
        self.events = {}
        self.hello = None
        self.refs = 0

    @classmethod
    async def connect(cls, server, path="/ws", *, headers=None, **options):
        options = {"compression": None, "ping_interval": None, "max_size": None, "max_queue": None, "close_timeout": DEADLINE, **options}
        ws = await asyncio.wait_for(
            websockets.connect(f"ws://127.0.0.1:{server.port}{path}", extra_headers=headers, open_timeout=DEADLINE, **options), DEADLINE)
        return cls(ws)

    @classmethod
    async def login(cls, server, token, path="/ws", **options):
        """Connects and authenticates by the first message."""
        client = await cls.connect(server, path, **options)
        await client.send(type="auth", token=token)
        client.hello = await client.wait("auth_success")
        return client

    async def close(self):
        await self.ws.close()

    async def abort(self):
        """Goes without a word, as a phone in a tunnel does."""
        self.ws.transport.abort()
        await self.ws.wait_closed()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        await self.close()

    # ---- frames ----

    async def send(self, frame=None, /, **fields):
        if isinstance(frame, (str, bytes)):
            await self.ws.send(frame)
        else:
            await self.ws.send(json.dumps({**(frame or {}), **fields}))

    async def recv(self, deadline=None):
        """The next frame, decoded. Closed where the server has closed."""
        try:
            text = await asyncio.wait_for(self.ws.recv(), deadline or DEADLINE)
        except websockets.ConnectionClosed:
            raise Closed(self.ws.close_code, self.ws.close_reason) from None
        except asyncio.TimeoutError:
            raise AssertionError(f"nothing came; the last frames were {self.log[-5:]}") from None
        frame = json.loads(text)
        self.log.append(frame)
        if "data" in frame:
            self.events.setdefault(frame["data"]["room_id"], []).append(frame)
        return frame

    async def wait(self, kind=None, /, deadline=None, **wanted):
        """Reads on until a frame of this type with these members comes, and returns it."""
        if kind:
            wanted["type"] = kind
        while True:
            try:
                frame = await self.recv(deadline)
            except (Closed, AssertionError) as e:
                raise AssertionError(f"waited in vain for {wanted}: {e}; the last frames were {self.log[-5:]}") from None
            if matches(frame, wanted):
                return frame
            if frame["type"] == "error" and kind != "error" and "ref" in wanted and frame.get("ref") == wanted["ref"]:
                raise AssertionError(f"{frame} instead of {wanted}")

    async def ask(self, kind, /, **fields):
        """Sends a command and returns its direct answer, whatever it is."""
        self.refs += 1
        ref = fields.setdefault("ref", f"ask-{self.refs}")
        await self.send(type=kind, **fields)
        while True:
            frame = await self.recv()
            if frame.get("ref") == ref:
                return frame

    async def join(self, room, **fields):
        """Joins and reads up to caught_up; returns `joined`."""
        joined = await self.ask("join", room_id=room, **fields)
        assert joined["type"] == "joined", joined
        await self.wait("caught_up", room_id=room)
        return joined

    async def post(self, room, message, **fields):
        ack = await self.ask("chat_message", room_id=room, message=message, **fields)
        assert ack["type"] == "ack", ack
        return ack

    async def settled(self):
        """Everything that the server had for this connection before it saw a ping: the frames up to the pong, exclusive."""
        start = len(self.log)
        await self.ask("ping")
        return self.log[start:-1]

    async def closed(self, deadline=None):
        """Reads until the server closes; (code, reason decoded where it is JSON)."""
        while True:
            try:
                await self.recv(deadline)
            except Closed as e:
                with contextlib.suppress(ValueError):
                    return e.code, json.loads(e.reason)
                return e.code, e.reason

    def ids(self, room):
        return [e["data"]["id"] for e in self.events.get(room, [])]

    def messages(self, room):
        return [e["data"]["message"] for e in self.events.get(room, []) if e["type"] == "message"]


# ---- bare frames ----

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode, payload=b"", *, fin=True, masked=True, rsv=0, length=None, long_form=0):
    """A frame as bytes. `length` overrides the announced length, `long_form` (126, 127) its encoding."""
    n = len(payload) if length is None else length
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    mask_bit = 0x80 if masked else 0
    if long_form == 127 or n > 0xFFFF:
        head = struct.pack("!BBQ", first, mask_bit | 127, n)
    elif long_form == 126 or n > 125:
        head = struct.pack("!BBH", first, mask_bit | 126, n)
    else:
        head = struct.pack("!BB", first, mask_bit | n)
    if not masked:
        return head + payload
    key = os.urandom(4)
    body = bytes(b ^ key[i & 3] for i, b in enumerate(payload)) if len(payload) < 4096 else _mask(payload, key)
    return head + key + body


def _mask(payload, key):
    n = len(payload)
    stream = (key * (n // 4 + 1))[:n]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(n, "big")


def text(value):
    """A text frame of a JSON value, or of a string as it is."""
    return frame(TEXT, (value if isinstance(value, str) else json.dumps(value)).encode())


class RawSocket:
    """A WebSocket by hand, blocking."""

    def __init__(self, server, path="/ws", *, headers=(), receive_buffer=None):
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(server.address)
        self.buffer = b""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "Upgrade: websocket", "Connection: Upgrade",
                 f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *headers]
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.buffer:
            self._fill()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.head = head.decode()
        self.status = int(self.head.split()[1])

    @classmethod
    def login(cls, server, token, path="/ws", **options):
        raw = cls(server, path, headers=[f"Authorization: Bearer {token}"], **options)
        assert raw.status == 101, raw.head
        raw.read_type("auth_success")
        return raw

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def close(self):
        self.sock.close()

    def _fill(self):
        data = self.sock.recv(262144)
        if not data:
            raise EOFError("the server has closed the socket")
        self.buffer += data

    def _take(self, n):
        while len(self.buffer) < n:
            self._fill()
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def send(self, *frames):
        """All of it in one call, so in as few segments as it fits."""
        self.sock.sendall(b"".join(f if isinstance(f, bytes) else text(f) for f in frames))

    def read_frame(self):
        """(opcode, payload) of the next frame; the server's must be whole and unmasked."""
        first, second = self._take(2)
        assert first & 0x70 == 0, "a reserved bit is set"
        assert not second & 0x80, "a server's frame is masked"
        n = second & 0x7F
        if n == 126:
            (n,) = struct.unpack("!H", self._take(2))
        elif n == 127:
            (n,) = struct.unpack("!Q", self._take(8))
        assert first & 0x80, "a server's frame is fragmented"
        return first & 0x0F, self._take(n)

    def read(self):
        """The next text frame, decoded; pings and pongs are passed over."""
        while True:
            opcode, payload = self.read_frame()
            if opcode == TEXT:
                return json.loads(payload)
            if opcode == CLOSE:
                raise EOFError(f"closed with {payload!r}")

    def read_type(self, kind):
        while True:
            got = self.read()
            if got["type"] == kind:
                return got

    def read_close(self):
        """(code, reason) of the close frame; what comes before it is passed over."""
        while True:
            opcode, payload = self.read_frame()
            if opcode == CLOSE:
                code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else None
                return code, payload[2:].decode()

    def read_end(self):
        """Reads to the end of the connection; True where it ended in order, False where it was reset."""
        try:
            while self.sock.recv(65536):
                pass
            return True
        except ConnectionResetError:
            return False


def fill(server, room, n, words="line"):
    """Posts n messages, "WORDS 0" and so on, as root, through one connection without waiting for each; their ids."""
    with RawSocket.login(server, server.admin) as raw:
        ids = []
        for start in range(0, n, 100):
            count = min(100, n - start)
            raw.send(*[{"type": "chat_message", "room_id": room, "message": f"{words} {start + i}"} for i in range(count)])
            ids += [raw.read_type("ack")["id"] for _ in range(count)]
        return ids
