"""The Python peer of the benchmarks: the tutorial's chat on FastAPI and uvicorn, in memory or on SQLite.

A ConnectionManager keeps the sockets of each room and sends every message to each in turn. With a database file, a
message is inserted and committed (WAL, synchronous=FULL, as Confab does) before anyone is sent it, and a client may
come back with {"type": "join", "room_id": R, "after": N} on /ws. Where the tutorial leaves a choice, the faster one is
taken: a broadcast is encoded once, and uvicorn uses uvloop and httptools where they are installed.

usage: fastapi_chat.py --port PORT [--db FILE]
"""

import argparse
import json
import sqlite3
from collections import defaultdict
from datetime import datetime, timezone

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from websockets.exceptions import ConnectionClosed


def encode(frame):
    return json.dumps(frame, separators=(",", ":"), ensure_ascii=False)


class MemoryStore:
    """Numbers the messages of each room and keeps none."""

    def __init__(self):
        self.last_ids = defaultdict(int)

    def append(self, data):
        self.last_ids[data["room_id"]] += 1
        data["id"] = self.last_ids[data["room_id"]]

    def last_id(self, room_id):
        return self.last_ids[room_id]

    def messages_after(self, room_id, after):
        return []


class SqliteStore:
    """Keeps every message, committed before append() returns."""

    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)  # each INSERT is a transaction of its own
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute(
            "CREATE TABLE IF NOT EXISTS messages (room_id TEXT, id INTEGER, user_id TEXT, timestamp TEXT, message TEXT,"
            " PRIMARY KEY (room_id, id)) WITHOUT ROWID"
        )
        self.last_ids = {}

    def last_id(self, room_id):
        if room_id not in self.last_ids:
            row = self.db.execute("SELECT max(id) FROM messages WHERE room_id = ?", (room_id,)).fetchone()
            self.last_ids[room_id] = row[0] or 0
        return self.last_ids[room_id]

    def append(self, data):
        data["id"] = self.last_id(data["room_id"]) + 1
        self.db.execute(
            "INSERT INTO messages VALUES (?, ?, ?, ?, ?)",
            (data["room_id"], data["id"], data["user_id"], data["timestamp"], data["message"]),
        )
        self.last_ids[data["room_id"]] = data["id"]

    def messages_after(self, room_id, after):
        return self.db.execute(
            "SELECT id, user_id, timestamp, message FROM messages WHERE room_id = ? AND id > ? ORDER BY id",
            (room_id, after),
        )


class ConnectionManager:
    def __init__(self):
        self.rooms = defaultdict(dict)  # an ordered set of sockets for each room

    def connect(self, room_id, websocket):
        self.rooms[room_id][websocket] = True

    def disconnect(self, room_id, websocket):
        self.rooms[room_id].pop(websocket, None)

    async def broadcast(self, room_id, text):
        for websocket in list(self.rooms[room_id]):
            try:
                await websocket.send_text(text)
            except Exception:  # it is gone; its own task says so
                self.disconnect(room_id, websocket)


app = FastAPI()
manager = ConnectionManager()
store = MemoryStore()


async def authenticate(websocket):
    """Accepts, and answers the auth frame; any token is a user. Returns the user, or None."""
    await websocket.accept()
    frame = json.loads(await websocket.receive_text())
    if frame.get("type") != "auth" or not frame.get("token"):
        await websocket.send_text(encode({"type": "error", "message": "Authentication required"}))
        await websocket.close(1008)
        return None
    return frame["token"]


async def say(websocket, room_id, user_id, frame):
    data = {
        "id": 0,
        "room_id": room_id,
        "user_id": user_id,
        "timestamp": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "message": frame["message"],
    }
    if "client_id" in frame:
        data["client_id"] = frame["client_id"]
    store.append(data)
    await manager.broadcast(room_id, encode({"type": "message", "data": data}))


async def join(websocket, room_id, after):
    """Sends what came after `after`, then lets live messages through. What comes meanwhile is asked for again."""
    manager.disconnect(room_id, websocket)
    while after < store.last_id(room_id):
        rows = list(store.messages_after(room_id, after))
        if not rows:
            break
        for id_, user_id, timestamp, message in rows:
            data = {"id": id_, "room_id": room_id, "user_id": user_id, "timestamp": timestamp, "message": message}
            await websocket.send_text(encode({"type": "message", "data": data}))
            after = id_
    manager.connect(room_id, websocket)
    await websocket.send_text(encode({"type": "caught_up", "room_id": room_id, "last_id": after}))


async def serve(websocket, room_id):
    rooms = set()
    try:
        user_id = await authenticate(websocket)
        if user_id is None:
            return
        if room_id is not None:
            rooms.add(room_id)
            manager.connect(room_id, websocket)
        await websocket.send_text(encode({"type": "auth_success", "user_id": user_id}))
        while True:
            frame = json.loads(await websocket.receive_text())
            target = frame.get("room_id", room_id)
            if frame.get("type") == "chat_message" and target is not None:
                await say(websocket, target, user_id, frame)
            elif frame.get("type") == "join":
                rooms.add(target)
                await join(websocket, target, frame["after"])
            else:
                await websocket.send_text(encode({"type": "error", "message": "Unknown message type"}))
    except (WebSocketDisconnect, ConnectionClosed):
        pass
    finally:
        for joined in rooms:
            manager.disconnect(joined, websocket)


@app.websocket("/ws/chat/{room_id}")
async def chat(websocket: WebSocket, room_id: str):
    await serve(websocket, room_id)


@app.websocket("/ws")
async def many_rooms(websocket: WebSocket):
    await serve(websocket, None)


@app.get("/health")
async def health():
    return {"status": "healthy"}


def main():
    global store
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--db")
    arguments = parser.parse_args()
    if arguments.db:
        store = SqliteStore(arguments.db)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=arguments.port,
        log_level="error",
        access_log=False,
        ws="websockets",
        ws_ping_interval=30,  # as often as Confab
        ws_ping_timeout=60,
        backlog=4096,
    )


if __name__ == "__main__":
    main()
