#!/usr/bin/env python3
"""liar.py: a small chat server that speaks enough of the protocol for confab-demo, and can be told to betray its readers.

It stands in for the program `confab` (serve, user, token), so that a test can show that the demo notices each kind of wrong-doing:
LIAR=none, lose, double, swap, alter, author, forget (acks without storing), lazy (acks before storing: a kill takes the newest), twice
(stores a retry again), refuse, gap. Each but `none` does it now and then, not always. State is one append-only file in CONFAB_DATA. Loopback only.
"""
import asyncio, base64, hashlib, json, os, struct, sys

LIE = os.environ.get("LIAR", "none")


class Room:
    def __init__(self):
        self.log, self.known, self.members, self.here = [], {}, set(), set()


class Conn:
    def __init__(self, writer, user):
        self.writer, self.user, self.at = writer, user, {}

    def send(self, obj):
        data = json.dumps(obj, ensure_ascii=False).encode()
        head = b"\x81" + (bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack(">H", len(data)) if len(data) < 65536
                          else b"\x7f" + struct.pack(">Q", len(data)))
        self.writer.write(head + data)


class Server:
    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.rooms, self.count, self.held, self.unwritten = {}, 0, {}, []
        path = os.path.join(folder, "log")
        if os.path.exists(path):
            for line in open(path, encoding="utf-8"):
                if line.endswith("\n"):
                    self.apply(*json.loads(line))
        self.file = open(path, "a", encoding="utf-8")

    def apply(self, room_id, event, key):
        room = self.rooms.setdefault(room_id, Room())
        room.log.append(event)
        if event["type"] == "member_joined":
            room.members.add(event["data"]["member_id"])
        if key and key not in room.known:
            room.known[key] = event["data"]["id"]

    def append(self, room_id, kind, user, fields, key=None):
        room = self.rooms.setdefault(room_id, Room())
        event = {"type": kind, "data": {"id": len(room.log) + 1, "room_id": room_id, "user_id": user, "timestamp": "2026-01-01T00:00:00.000Z", **fields}}
        self.unwritten.append(json.dumps([room_id, event, key]) + "\n")
        if LIE != "lazy" or kind != "message":
            self.flush()
        self.apply(room_id, event, key)
        for conn in list(room.here):
            self.deliver(conn, event)
        return event

    def flush(self):
        self.file.write("".join(self.unwritten))
        self.file.flush()
        self.unwritten = []

    def lies(self, every=37):
        self.count += 1
        return self.count % every == 0

    def deliver(self, conn, event):
        if event["type"] != "message":
            return conn.send(event)
        held = self.held.pop(conn, None)
        chosen = (event["data"]["id"] + sum(conn.user.encode())) % 37 == 5  # differs from reader to reader, but not from run to run
        if LIE == "lose" and chosen:
            return
        if LIE == "swap" and event["data"]["id"] % 37 == 5:
            self.held[conn] = event
            return
        if LIE == "alter" and chosen:
            event = {**event, "data": {**event["data"], "message": event["data"]["message"] + " "}}
        if LIE == "author" and event["data"]["id"] % 37 == 0:
            event = {**event, "data": {**event["data"], "user_id": "mallory"}}
        conn.send(event)
        if held is not None:
            conn.send(held)
        if LIE == "double" and chosen:
            conn.send(event)

    def join(self, conn, f):
        room = self.rooms[f["room_id"]]
        if conn.user not in room.members:
            self.append(f["room_id"], "member_joined", conn.user, {"member_id": conn.user})
        after = f.get("after")
        answer = {"type": "joined", "room_id": f["room_id"], "last_id": len(room.log), "epoch": "e", "recovery": "fresh" if after is None else "resumed"}
        if LIE == "gap" and after:
            answer.update(recovery="gap", gap={"from": after + 1, "to": len(room.log)})
            after = len(room.log)
        conn.send(answer)
        for event in room.log[after:] if after is not None else []:
            conn.send(event)
        conn.send({"type": "caught_up", "room_id": f["room_id"], "last_id": len(room.log)})
        room.here.add(conn)

    def say(self, conn, f):
        room_id, key = f["room_id"], conn.user + " " + f["client_id"]
        room = self.rooms[room_id]
        ack = {"type": "ack", "room_id": room_id, "client_id": f["client_id"], "duplicate": key in room.known}
        if LIE == "refuse" and self.lies():
            return conn.send({"type": "error", "code": "forbidden", "message": "no", "room_id": room_id, "client_id": f["client_id"]})
        if LIE == "forget" and self.lies():
            return conn.send({**ack, "id": len(room.log) + 1})
        if key not in room.known or LIE == "twice":
            self.append(room_id, "message", conn.user, {"message": f["message"]}, key)
            if LIE == "twice" and self.lies():
                self.append(room_id, "message", conn.user, {"message": f["message"]}, key)
        conn.send({**ack, "id": room.known[key]})

    async def http(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in head.split("\r\n")[1:] if ":" in line)}
            if "sec-websocket-key" in fields:
                return await self.websocket(reader, writer, fields)
            body = await reader.readexactly(int(fields.get("content-length", 0)))
            status = b"200 OK"
            if head.startswith("POST /api/rooms"):
                self.append(json.loads(body)["room_id"], "room_created", "~demo", {})
                status = b"201 Created"
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def websocket(self, reader, writer, fields):
        accept = base64.b64encode(hashlib.sha1((fields["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        conn = Conn(writer, fields["authorization"].split()[1].split("-", 1)[1])
        conn.send({"type": "auth_success", "user_id": conn.user, "epoch": "e"})
        try:
            while True:
                a, b = await reader.readexactly(2)
                n = b & 127
                n = struct.unpack(">H", await reader.readexactly(2))[0] if n == 126 else struct.unpack(">Q", await reader.readexactly(8))[0] if n == 127 else n
                mask = await reader.readexactly(4)
                data = await reader.readexactly(n)
                data = bytes(x ^ mask[i & 3] for i, x in enumerate(data))
                if a & 15 == 8:
                    writer.write(b"\x88\x02\x03\xe8")
                    return
                f = json.loads(data)
                self.join(conn, f) if f["type"] == "join" else self.say(conn, f)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for room in self.rooms.values():
                room.here.discard(conn)
            self.held.pop(conn, None)


async def serve():
    server = Server(os.environ["CONFAB_DATA"])
    listener = await asyncio.start_server(server.http, "127.0.0.1", int(os.environ["CONFAB_PORT"]), reuse_address=True, limit=1 << 20)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(15, stop.set)
    await stop.wait()
    server.flush()
    listener.close()


def main():
    if sys.argv[1] == "serve":
        asyncio.run(serve())
    elif sys.argv[1] == "token":
        for name in sys.stdin:
            print(name.strip(), "t-" + name.strip())


main()
