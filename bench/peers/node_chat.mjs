// The Node peer of the benchmarks: the tutorial's chat on ws, in memory or on SQLite (libsql, whose binary comes inside
// its npm package).
//
// With a database file, a message is inserted and committed (WAL, synchronous=FULL, as Confab does) before anyone is
// sent it, and a client may come back with {"type":"join","room_id":R,"after":N} on /ws. Where there is a choice, the
// faster one is taken: a broadcast is encoded once, compression is off.
//
// usage: node node_chat.mjs --port PORT [--db FILE]

import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';

const { values: options } = parseArgs({ options: { port: { type: 'string' }, db: { type: 'string' } } });
const HEARTBEAT_MS = 30000; // as often as Confab

// Numbers the messages of each room and keeps none.
class MemoryStore {
  lastIds = new Map();

  lastId(roomId) {
    return this.lastIds.get(roomId) ?? 0;
  }

  append(data) {
    data.id = this.lastId(data.room_id) + 1;
    this.lastIds.set(data.room_id, data.id);
  }

  messagesAfter() {
    return [];
  }
}

// Keeps every message, committed before append() returns.
class SqliteStore {
  lastIds = new Map();

  constructor(Database, path) {
    const db = new Database(path);
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.exec(`CREATE TABLE IF NOT EXISTS messages (room_id TEXT, id INTEGER, user_id TEXT, timestamp TEXT, message TEXT,
             PRIMARY KEY (room_id, id)) WITHOUT ROWID`);
    this.insert = db.prepare('INSERT INTO messages VALUES (?, ?, ?, ?, ?)');
    this.newest = db.prepare('SELECT max(id) AS id FROM messages WHERE room_id = ?');
    this.after = db.prepare(
      'SELECT id, user_id, timestamp, message FROM messages WHERE room_id = ? AND id > ? ORDER BY id');
  }

  lastId(roomId) {
    if (!this.lastIds.has(roomId)) {
      this.lastIds.set(roomId, this.newest.get(roomId).id ?? 0);
    }
    return this.lastIds.get(roomId);
  }

  append(data) {
    data.id = this.lastId(data.room_id) + 1;
    this.insert.run(data.room_id, data.id, data.user_id, data.timestamp, data.message);
    this.lastIds.set(data.room_id, data.id);
  }

  messagesAfter(roomId, after) {
    return this.after.all(roomId, after);
  }
}

const store = options.db === undefined
  ? new MemoryStore()
  : new SqliteStore((await import('libsql')).default, options.db);
const rooms = new Map(); // room id -> Set of sockets

function enterRoom(roomId, socket) {
  if (!rooms.has(roomId)) {
    rooms.set(roomId, new Set());
  }
  rooms.get(roomId).add(socket);
  socket.rooms.add(roomId);
}

function broadcast(roomId, frame) {
  const text = Buffer.from(JSON.stringify(frame));
  for (const socket of rooms.get(roomId) ?? []) {
    socket.send(text, { binary: false });
  }
}

function say(socket, roomId, frame) {
  const data = { id: 0, room_id: roomId, user_id: socket.userId, timestamp: new Date().toISOString(), message: frame.message };
  if (frame.client_id !== undefined) {
    data.client_id = frame.client_id;
  }
  store.append(data);
  broadcast(roomId, { type: 'message', data });
}

// Everything is synchronous here, so nothing can come between the replay and the live messages.
function join(socket, roomId, after) {
  rooms.get(roomId)?.delete(socket);
  for (const row of store.messagesAfter(roomId, after)) {
    const data = { id: row.id, room_id: roomId, user_id: row.user_id, timestamp: row.timestamp, message: row.message };
    socket.send(JSON.stringify({ type: 'message', data }));
  }
  enterRoom(roomId, socket);
  socket.send(JSON.stringify({ type: 'caught_up', room_id: roomId, last_id: store.lastId(roomId) }));
}

function authenticate(socket, frame) {
  if (frame.type !== 'auth' || !frame.token) {
    socket.send(JSON.stringify({ type: 'error', message: 'Authentication required' }));
    socket.close(1008);
    return;
  }
  socket.userId = frame.token; // any token is a user
  if (socket.roomId !== undefined) {
    enterRoom(socket.roomId, socket);
  }
  socket.send(JSON.stringify({ type: 'auth_success', user_id: socket.userId }));
}

function onMessage(raw) {
  const frame = JSON.parse(raw);
  const roomId = frame.room_id ?? this.roomId;
  if (this.userId === undefined) {
    authenticate(this, frame);
  } else if (frame.type === 'chat_message' && roomId !== undefined) {
    say(this, roomId, frame);
  } else if (frame.type === 'join') {
    join(this, roomId, frame.after);
  } else {
    this.send(JSON.stringify({ type: 'error', message: 'Unknown message type' }));
  }
}

function onClose() {
  for (const roomId of this.rooms) {
    rooms.get(roomId)?.delete(this);
  }
}

function onPong() {
  this.alive = true;
}

const http = createServer((request, response) => {
  response.writeHead(request.url === '/health' ? 200 : 404).end('{"status":"healthy"}');
});
const wss = new WebSocketServer({ server: http, perMessageDeflate: false });
wss.on('connection', (socket, request) => {
  const path = request.url.split('?')[0];
  socket.roomId = path.startsWith('/ws/chat/') ? path.slice('/ws/chat/'.length) : undefined;
  socket.rooms = new Set();
  socket.alive = true;
  socket.on('message', onMessage);
  socket.on('close', onClose);
  socket.on('pong', onPong);
  socket.on('error', onClose);
});

setInterval(() => {
  for (const socket of wss.clients) {
    if (!socket.alive) {
      socket.terminate();
    } else {
      socket.alive = false;
      socket.ping();
    }
  }
}, HEARTBEAT_MS);

http.listen({ host: '127.0.0.1', port: Number(options.port), backlog: 4096 });
