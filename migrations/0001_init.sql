-- The first schema: rooms as ordered logs, people, and what a server keeps about them.
--
-- Conventions: STRICT everywhere; times are milliseconds since 1970 UTC; numbers of enums stand in include/confab/event.h.
-- A migration runs in one transaction and ends by setting user_version to its own number.

PRAGMA application_id = 1128677698; -- "CFAB"

CREATE TABLE migrations (
    version    INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,
    sha256     TEXT    NOT NULL CHECK (length(sha256) = 64), -- of the file, as it was applied
    applied_ms INTEGER NOT NULL
) STRICT;

-- Small named values: the epoch, the set-up token's hash, ...
CREATE TABLE meta (
    name  TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Never deleted: the log refers to people by id, and a name once used keeps meaning the same person.
CREATE TABLE users (
    id            INTEGER PRIMARY KEY,
    name          TEXT    NOT NULL COLLATE NOCASE UNIQUE CHECK (length(name) BETWEEN 1 AND 64), -- immutable
    display_name  TEXT    NOT NULL DEFAULT '',
    password_hash TEXT    NOT NULL DEFAULT '', -- '': cannot log in by password
    role          INTEGER NOT NULL CHECK (role BETWEEN 1 AND 4),
    disabled      INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    token_epoch   INTEGER NOT NULL DEFAULT 0,
    created_ms    INTEGER NOT NULL
) STRICT;
CREATE INDEX users_admins ON users (role) WHERE role = 4 AND disabled = 0;

-- AUTOINCREMENT: a deleted room's number never comes back, so a stale cursor cannot point into another room's log.
CREATE TABLE rooms (
    id           INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id BETWEEN 1 AND 8388607), -- 23 bits: see events.id
    slug         TEXT    NOT NULL UNIQUE CHECK (length(slug) BETWEEN 1 AND 64), -- immutable
    name         TEXT    NOT NULL DEFAULT '',
    topic        TEXT    NOT NULL DEFAULT '',
    kind         INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 3),
    archived     INTEGER NOT NULL DEFAULT 0 CHECK (archived IN (0, 1)),
    created_ms   INTEGER NOT NULL,
    first_seq    INTEGER NOT NULL DEFAULT 1 CHECK (first_seq >= 1), -- moved by retention only
    member_count INTEGER NOT NULL DEFAULT 0                         -- kept by the triggers below
) STRICT;
CREATE INDEX rooms_public ON rooms (slug) WHERE kind = 1;

CREATE TABLE members (
    room_id   INTEGER NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user_id   INTEGER NOT NULL REFERENCES users (id),
    user_name TEXT    NOT NULL COLLATE NOCASE, -- users.name, which never changes: a room's people are paged by name
    role      INTEGER NOT NULL CHECK (role BETWEEN 1 AND 3),
    joined_ms INTEGER NOT NULL,
    last_read INTEGER NOT NULL DEFAULT 0 CHECK (last_read >= 0), -- seq
    PRIMARY KEY (room_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_user ON members (user_id, room_id);
CREATE UNIQUE INDEX members_by_name ON members (room_id, user_name);
CREATE INDEX members_owners ON members (room_id) WHERE role = 3;

CREATE TRIGGER members_added AFTER INSERT ON members BEGIN
    UPDATE rooms SET member_count = member_count + 1 WHERE id = NEW.room_id;
END;
CREATE TRIGGER members_removed AFTER DELETE ON members BEGIN
    UPDATE rooms SET member_count = member_count - 1 WHERE id = OLD.room_id;
END;

-- The log. Its key is (room_id, seq) packed into the rowid, room_id << 40 | seq: one integer comparison instead of a record
-- comparison, and no limit on the length of a row before it spills (docs/decisions/0006-the-log-is-keyed-by-one-integer.md).
CREATE TABLE events (
    id         INTEGER PRIMARY KEY,
    room_id    INTEGER NOT NULL GENERATED ALWAYS AS (id >> 40) VIRTUAL,
    seq        INTEGER NOT NULL GENERATED ALWAYS AS (id & 0xFFFFFFFFFF) VIRTUAL,
    at_ms      INTEGER NOT NULL,
    kind       INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 15),
    actor_id   INTEGER NOT NULL,            -- 0: the system
    target     INTEGER NOT NULL DEFAULT 0,  -- seq meant or replied to; 0: none
    subject_id INTEGER NOT NULL DEFAULT 0,  -- user meant; 0: none
    role       INTEGER NOT NULL DEFAULT 0,
    deleted    INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)), -- the text has been erased since
    text       TEXT    NOT NULL DEFAULT '',
    client_id  TEXT                          -- the sender's key for this event
) STRICT;
-- A retry is found by this constraint failing. client_id comes first: ids that sort by time (ours do) then land on the
-- index's newest pages, whoever sent them wherever; by room and sender first, each sender would dirty a page of its own.
CREATE UNIQUE INDEX events_client ON events (client_id, room_id, actor_id) WHERE client_id IS NOT NULL;
-- Edits of a message, whose text is erased with the message's.
CREATE INDEX events_edits ON events (room_id, target) WHERE kind = 2;

-- What people see of a message that was edited or deleted; an untouched message is its own view.
CREATE TABLE message_views (
    event_id  INTEGER PRIMARY KEY REFERENCES events (id) ON DELETE CASCADE,
    text      TEXT    NOT NULL,
    edited_ms INTEGER NOT NULL,
    deleted   INTEGER NOT NULL CHECK (deleted IN (0, 1))
) STRICT;

CREATE TABLE reactions (
    event_id INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    reaction TEXT    NOT NULL,
    user_id  INTEGER NOT NULL,
    PRIMARY KEY (event_id, reaction, user_id)
) STRICT, WITHOUT ROWID;

-- Rooms that were deleted and whose log is still being removed, a slice at a time.
CREATE TABLE room_purges (
    room_id INTEGER PRIMARY KEY
) STRICT;

-- Refresh tokens, as hashes. AUTOINCREMENT: an old access token's session number must not become another's.
CREATE TABLE sessions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    INTEGER NOT NULL REFERENCES users (id),
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_ms INTEGER NOT NULL,
    used_ms    INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    address    TEXT    NOT NULL DEFAULT '',
    agent      TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_ms);

-- Hashes a session had before: whoever shows one has a stolen or replayed token. Kept until the token would have expired.
CREATE TABLE rotated_hashes (
    hash       BLOB    PRIMARY KEY NOT NULL CHECK (length(hash) = 32),
    session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX rotated_hashes_by_session ON rotated_hashes (session_id, expires_ms);

CREATE TABLE signing_keys (
    id         INTEGER PRIMARY KEY,
    kid        TEXT    NOT NULL UNIQUE,
    seed       BLOB    NOT NULL CHECK (length(seed) = 32),
    created_ms INTEGER NOT NULL,
    retired    INTEGER NOT NULL DEFAULT 0 CHECK (retired IN (0, 1))
) STRICT;

-- user_id 0: for everyone of the role; role 0: for the user.
CREATE TABLE limit_overrides (
    user_id    INTEGER NOT NULL,
    role       INTEGER NOT NULL,
    action     TEXT    NOT NULL,
    per_minute INTEGER NOT NULL CHECK (per_minute >= 0),
    burst      INTEGER NOT NULL CHECK (burst >= 0),
    PRIMARY KEY (user_id, role, action)
) STRICT, WITHOUT ROWID;

-- Who did what to whom, from where.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms   INTEGER NOT NULL,
    actor   TEXT    NOT NULL DEFAULT '',
    action  TEXT    NOT NULL,
    target  TEXT    NOT NULL DEFAULT '',
    address TEXT    NOT NULL DEFAULT '',
    detail  TEXT    NOT NULL DEFAULT ''
) STRICT;

PRAGMA user_version = 1;
