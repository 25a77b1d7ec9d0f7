/* Every SQL statement of the store, in one table: name, who prepares it, text.
 *
 * ANY is prepared by the writer and by readers, WRITER by the writer alone, CHECK by `confab check`. Parameters are named; a name stands in
 * DB_PARAM_MAP, so that a misspelt one does not compile (in C) or fails when the store opens (in SQL). */
#ifndef CONFAB_DB_STMT_H
#define CONFAB_DB_STMT_H

/* events.id is room_id << 40 | seq. */
#define DB_SEQ_BITS 40
#define DB_SEQ_MAX ((INT64_C(1) << DB_SEQ_BITS) - 1)

/* clang-format off */
#define DB_PARAM_MAP(X)                                                                                               \
    X(action) X(actor) X(actor_id) X(address) X(after) X(agent) X(archived) X(at_ms) X(burst) X(client_id)            \
    X(detail) X(disabled) X(display_name) X(edited_ms) X(except_id) X(expires_ms) X(hash) X(hi) X(id) X(kid)          \
    X(kind) X(limit) X(lo) X(name) X(now_ms) X(password_hash) X(per_minute) X(reaction) X(retired) X(role)            \
    X(room_id) X(seed) X(seq) X(session_id) X(sha256) X(slug) X(subject_id) X(target) X(text) X(topic)                \
    X(user_id) X(value) X(version)

enum db_param {
#define X(name) DB_P_##name,
    DB_PARAM_MAP(X)
#undef X
    DB_PARAM_COUNT
};
/* clang-format on */

#define DB_EVENT_COLUMNS "e.id, e.at_ms, e.kind, e.actor_id, e.target, e.subject_id, e.role, e.deleted, e.text, e.client_id"
#define DB_VIEW_COLUMNS "e.id, e.at_ms, e.actor_id, e.target, e.text, e.deleted, v.event_id, v.text, v.edited_ms, v.deleted"
#define DB_ROOM_COLUMNS                                                                                                                    \
    "r.id, r.slug, r.name, r.topic, r.kind, r.archived, r.created_ms, r.first_seq, r.member_count,"                                        \
    " coalesce((SELECT e.id & 0xFFFFFFFFFF FROM events e WHERE e.id >= r.id << 40 AND e.id < (r.id + 1) << 40"                             \
    " ORDER BY e.id DESC LIMIT 1), 0)"
#define DB_USER_COLUMNS "u.id, u.name, u.display_name, u.role, u.disabled, u.created_ms, u.token_epoch"
#define DB_MEMBER_COLUMNS "m.user_id, u.name, u.display_name, m.role, m.joined_ms, m.last_read"
#define DB_SESSION_COLUMNS "s.id, s.user_id, s.created_ms, s.used_ms, s.expires_ms, s.address, s.agent"
#define DB_LISTED_COLUMNS DB_ROOM_COLUMNS ", coalesce(m.role, 0), coalesce(m.last_read, 0)"

#define DB_STMT_MAP(X)                                                                                                                     \
    /* the connection */                                                                                                                   \
    X(begin_read, ANY, "BEGIN")                                                                                                            \
    X(begin_write, WRITER, "BEGIN IMMEDIATE")                                                                                              \
    X(commit, ANY, "COMMIT")                                                                                                               \
    X(rollback, ANY, "ROLLBACK")                                                                                                           \
    X(savepoint, WRITER, "SAVEPOINT job")                                                                                                  \
    X(release, WRITER, "RELEASE job")                                                                                                      \
    X(rollback_to, WRITER, "ROLLBACK TO job")                                                                                              \
    X(data_version, WRITER, "PRAGMA data_version")                                                                                         \
    /* the log */                                                                                                                          \
    X(event_insert, WRITER,                                                                                                                \
      "INSERT INTO events (id, at_ms, kind, actor_id, target, subject_id, role, text, client_id)"                                          \
      " VALUES (:id, :at_ms, :kind, :actor_id, :target, :subject_id, :role, :text, :client_id)"                                            \
      " ON CONFLICT (client_id, room_id, actor_id) WHERE client_id IS NOT NULL DO NOTHING")                                                \
    X(event_by_client, ANY,                                                                                                                \
      "SELECT e.id, e.at_ms FROM events e"                                                                                                 \
      " WHERE e.client_id = :client_id AND e.room_id = :room_id AND e.actor_id = :actor_id")                                               \
    X(event_get, ANY, "SELECT " DB_EVENT_COLUMNS " FROM events e WHERE e.id = :id")                                                        \
    X(events_after, ANY, "SELECT " DB_EVENT_COLUMNS " FROM events e WHERE e.id > :lo AND e.id < :hi ORDER BY e.id LIMIT :limit")           \
    X(event_erase, WRITER, "UPDATE events SET text = '', deleted = 1 WHERE id = :id AND kind = 1")                                         \
    X(event_erase_edits, WRITER, "UPDATE events SET text = '' WHERE room_id = :room_id AND target = :target AND kind = 2")                 \
    X(events_delete, WRITER, "DELETE FROM events WHERE id >= :lo AND id < :hi")                                                            \
    X(event_first, WRITER, "SELECT e.id FROM events e WHERE e.id >= :lo AND e.id < :hi ORDER BY e.id LIMIT 1")                             \
    /* messages as people see them */                                                                                                      \
    X(messages_down, ANY,                                                                                                                  \
      "SELECT " DB_VIEW_COLUMNS " FROM events e LEFT JOIN message_views v ON v.event_id = e.id"                                            \
      " WHERE e.id > :lo AND e.id < :hi AND e.kind = 1 ORDER BY e.id DESC LIMIT :limit")                                                   \
    X(messages_up, ANY,                                                                                                                    \
      "SELECT " DB_VIEW_COLUMNS " FROM events e LEFT JOIN message_views v ON v.event_id = e.id"                                            \
      " WHERE e.id > :lo AND e.id < :hi AND e.kind = 1 ORDER BY e.id LIMIT :limit")                                                        \
    X(reactions_between, ANY,                                                                                                              \
      "SELECT event_id, reaction, count(*), max(user_id = :user_id) FROM reactions"                                                        \
      " WHERE event_id BETWEEN :lo AND :hi GROUP BY event_id, reaction ORDER BY event_id, reaction")                                       \
    X(view_set_text, WRITER,                                                                                                               \
      "INSERT INTO message_views (event_id, text, edited_ms, deleted)"                                                                     \
      " SELECT e.id, :text, :edited_ms, 0 FROM events e WHERE e.id = :id AND e.kind = 1 AND e.deleted = 0"                                 \
      " ON CONFLICT (event_id) DO UPDATE SET text = excluded.text, edited_ms = excluded.edited_ms WHERE deleted = 0")                      \
    X(view_set_deleted, WRITER,                                                                                                            \
      "INSERT INTO message_views (event_id, text, edited_ms, deleted)"                                                                     \
      " SELECT e.id, '', 0, 1 FROM events e WHERE e.id = :id AND e.kind = 1"                                                               \
      " ON CONFLICT (event_id) DO UPDATE SET text = '', edited_ms = 0, deleted = 1")                                                       \
    X(reaction_add, WRITER,                                                                                                                \
      "INSERT INTO reactions (event_id, reaction, user_id) SELECT e.id, :reaction, :user_id FROM events e"                                 \
      " WHERE e.id = :id AND e.kind = 1 ON CONFLICT DO NOTHING")                                                                           \
    X(reaction_remove, WRITER, "DELETE FROM reactions WHERE event_id = :id AND reaction = :reaction AND user_id = :user_id")               \
    X(reactions_clear, WRITER, "DELETE FROM reactions WHERE event_id = :id")                                                               \
    /* rooms */                                                                                                                            \
    X(room_insert, WRITER,                                                                                                                 \
      "INSERT INTO rooms (slug, name, topic, kind, created_ms) VALUES (:slug, :name, :topic, :kind, :now_ms)"                              \
      " ON CONFLICT (slug) DO NOTHING")                                                                                                    \
    X(room_by_slug, ANY, "SELECT " DB_ROOM_COLUMNS " FROM rooms r WHERE r.slug = :slug")                                                   \
    X(room_by_id, ANY, "SELECT " DB_ROOM_COLUMNS " FROM rooms r WHERE r.id = :id")                                                         \
    X(room_slug, ANY, "SELECT slug FROM rooms WHERE id = :id")                                                                             \
    X(room_update, WRITER,                                                                                                                 \
      "UPDATE rooms SET name = coalesce(:name, name), topic = coalesce(:topic, topic), kind = coalesce(:kind, kind),"                      \
      " archived = coalesce(:archived, archived) WHERE id = :id")                                                                          \
    X(room_delete, WRITER, "DELETE FROM rooms WHERE id = :id")                                                                             \
    X(room_unread, ANY,                                                                                                                    \
      "SELECT count(*) FROM (SELECT e.kind, e.deleted, e.actor_id FROM events e WHERE e.id > :lo AND e.id < :hi"                           \
      " ORDER BY e.id DESC LIMIT :limit) WHERE kind = 1 AND deleted = 0 AND actor_id <> :user_id")                                         \
    X(rooms_all, ANY,                                                                                                                      \
      "SELECT " DB_LISTED_COLUMNS " FROM rooms r LEFT JOIN members m ON m.room_id = r.id AND m.user_id = :user_id"                         \
      " WHERE r.slug > :after ORDER BY r.slug LIMIT :limit")                                                                               \
    X(rooms_public, ANY,                                                                                                                   \
      "SELECT " DB_LISTED_COLUMNS " FROM rooms r LEFT JOIN members m ON m.room_id = r.id AND m.user_id = :user_id"                         \
      " WHERE r.kind = 1 AND r.slug > :after ORDER BY r.slug LIMIT :limit")                                                                \
    X(rooms_own, ANY,                                                                                                                      \
      "SELECT " DB_LISTED_COLUMNS " FROM members m CROSS JOIN rooms r ON r.id = m.room_id"                                                 \
      " WHERE m.user_id = :user_id AND r.kind <> 1 AND r.slug > :after ORDER BY r.slug LIMIT :limit")                                      \
    X(room_cut, WRITER, "UPDATE rooms SET first_seq = :seq WHERE id = :id AND first_seq < :seq")                                           \
    X(purge_add, WRITER, "INSERT INTO room_purges (room_id) VALUES (:room_id)")                                                            \
    X(purge_next, WRITER, "SELECT room_id FROM room_purges ORDER BY room_id LIMIT 1")                                                      \
    X(purge_done, WRITER, "DELETE FROM room_purges WHERE room_id = :room_id")                                                              \
    /* members */                                                                                                                          \
    X(member_get, ANY,                                                                                                                     \
      "SELECT " DB_MEMBER_COLUMNS " FROM members m JOIN users u ON u.id = m.user_id"                                                       \
      " WHERE m.room_id = :room_id AND m.user_id = :user_id")                                                                              \
    X(member_put, WRITER,                                                                                                                  \
      "INSERT INTO members (room_id, user_id, user_name, role, joined_ms, last_read)"                                                      \
      " SELECT :room_id, u.id, u.name, :role, :now_ms, :seq FROM users u WHERE u.id = :user_id"                                            \
      " ON CONFLICT (room_id, user_id) DO UPDATE SET role = excluded.role")                                                                \
    X(member_remove, WRITER, "DELETE FROM members WHERE room_id = :room_id AND user_id = :user_id")                                        \
    X(member_set_read, WRITER, "UPDATE members SET last_read = :seq WHERE room_id = :room_id AND user_id = :user_id AND last_read < :seq") \
    X(members_page, ANY,                                                                                                                   \
      "SELECT " DB_MEMBER_COLUMNS " FROM members m CROSS JOIN users u ON u.id = m.user_id"                                                 \
      " WHERE m.room_id = :room_id AND m.user_name > :after ORDER BY m.user_name LIMIT :limit")                                            \
    X(member_owners, ANY, "SELECT count(*) FROM members WHERE room_id = :room_id AND role = 3")                                            \
    /* users */                                                                                                                            \
    X(user_insert, WRITER,                                                                                                                 \
      "INSERT INTO users (name, display_name, password_hash, role, created_ms)"                                                            \
      " VALUES (:name, :display_name, :password_hash, :role, :now_ms) ON CONFLICT (name) DO NOTHING")                                      \
    X(user_by_id, ANY, "SELECT " DB_USER_COLUMNS " FROM users u WHERE u.id = :id")                                                         \
    X(user_by_name, ANY, "SELECT " DB_USER_COLUMNS " FROM users u WHERE u.name = :name")                                                   \
    X(user_name, ANY, "SELECT name FROM users WHERE id = :id")                                                                             \
    X(user_update, WRITER,                                                                                                                 \
      "UPDATE users SET display_name = coalesce(:display_name, display_name), disabled = coalesce(:disabled, disabled),"                   \
      " role = coalesce(:role, role) WHERE id = :id")                                                                                      \
    X(user_hash, ANY, "SELECT password_hash FROM users WHERE id = :id")                                                                    \
    X(user_set_hash, WRITER, "UPDATE users SET password_hash = :password_hash WHERE id = :id")                                             \
    X(user_bump, WRITER, "UPDATE users SET token_epoch = token_epoch + 1 WHERE id = :id")                                                  \
    X(users_page, ANY, "SELECT " DB_USER_COLUMNS " FROM users u WHERE u.name > :after ORDER BY u.name LIMIT :limit")                       \
    X(user_admins, ANY, "SELECT count(*) FROM users WHERE role = 4 AND disabled = 0")                                                      \
    /* sessions and keys */                                                                                                                \
    X(session_insert, WRITER,                                                                                                              \
      "INSERT INTO sessions (user_id, hash, created_ms, used_ms, expires_ms, address, agent)"                                              \
      " VALUES (:user_id, :hash, :at_ms, :now_ms, :expires_ms, :address, :agent)")                                                         \
    X(session_by_hash, ANY, "SELECT " DB_SESSION_COLUMNS " FROM sessions s WHERE s.hash = :hash")                                          \
    X(session_by_old, ANY,                                                                                                                 \
      "SELECT " DB_SESSION_COLUMNS " FROM rotated_hashes o JOIN sessions s ON s.id = o.session_id WHERE o.hash = :hash")                   \
    X(session_by_id, ANY, "SELECT " DB_SESSION_COLUMNS " FROM sessions s WHERE s.id = :id")                                                \
    X(session_keep_old, WRITER,                                                                                                            \
      "INSERT INTO rotated_hashes (hash, session_id, expires_ms) SELECT hash, id, expires_ms FROM sessions WHERE id = :id")                \
    X(session_drop_old, WRITER, "DELETE FROM rotated_hashes WHERE session_id = :session_id AND expires_ms < :now_ms")                      \
    X(session_rotate, WRITER, "UPDATE sessions SET hash = :hash, used_ms = :now_ms, expires_ms = :expires_ms WHERE id = :id")              \
    X(session_delete, WRITER, "DELETE FROM sessions WHERE id = :id")                                                                       \
    X(sessions_delete, WRITER, "DELETE FROM sessions WHERE user_id = :user_id AND id <> :except_id")                                       \
    X(sessions_expire, WRITER, "DELETE FROM sessions WHERE expires_ms < :now_ms")                                                          \
    X(sessions_of_user, ANY, "SELECT " DB_SESSION_COLUMNS " FROM sessions s WHERE s.user_id = :user_id ORDER BY s.id DESC")                \
    X(key_insert, WRITER, "INSERT INTO signing_keys (kid, seed, created_ms, retired) VALUES (:kid, :seed, :at_ms, :retired)")              \
    X(keys, ANY, "SELECT kid, seed, created_ms, retired FROM signing_keys ORDER BY created_ms DESC, id DESC")                              \
    /* limits, audit, small values */                                                                                                      \
    X(limit_put, WRITER,                                                                                                                   \
      "INSERT INTO limit_overrides (user_id, role, action, per_minute, burst)"                                                             \
      " VALUES (:user_id, :role, :action, :per_minute, :burst)"                                                                            \
      " ON CONFLICT (user_id, role, action) DO UPDATE SET per_minute = excluded.per_minute, burst = excluded.burst")                       \
    X(limit_delete, WRITER, "DELETE FROM limit_overrides WHERE user_id = :user_id AND role = :role AND action = :action")                  \
    X(limits, ANY, "SELECT user_id, role, action, per_minute, burst FROM limit_overrides ORDER BY user_id, role, action")                  \
    X(audit_insert, WRITER,                                                                                                                \
      "INSERT INTO audit (at_ms, actor, action, target, address, detail)"                                                                  \
      " VALUES (:at_ms, :actor, :action, :target, :address, :detail)")                                                                     \
    X(audit_page, ANY, "SELECT id, at_ms, actor, action, target, address, detail FROM audit WHERE id < :hi ORDER BY id DESC LIMIT :limit") \
    X(meta_get, ANY, "SELECT value FROM meta WHERE name = :name")                                                                          \
    X(meta_put, WRITER, "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value")   \
    X(meta_delete, WRITER, "DELETE FROM meta WHERE name = :name")                                                                          \
    /* checking: each counts what should not be there; :lo is the room's seq 0, :seq its first */                                          \
    X(check_rooms, CHECK, "SELECT " DB_ROOM_COLUMNS " FROM rooms r ORDER BY r.id")                                                         \
    X(check_log, CHECK, "SELECT count(*), coalesce(min(e.id), 0), coalesce(max(e.id), 0) FROM events e WHERE e.id > :lo AND e.id < :hi")   \
    X(check_views, CHECK,                                                                                                                  \
      "WITH change AS (SELECT id, kind, target FROM events"                                                                                \
      " WHERE id > :lo AND id < :hi AND kind IN (2, 3) AND target >= :seq),"                                                               \
      " gone AS (SELECT DISTINCT target FROM change WHERE kind = 3),"                                                                      \
      " newest AS (SELECT target, max(id) AS id FROM change WHERE kind = 2 GROUP BY target),"                                              \
      " expected AS (SELECT :lo + n.target AS event_id, e.text, e.at_ms AS edited_ms, 0 AS deleted"                                        \
      " FROM newest n JOIN events e ON e.id = n.id WHERE n.target NOT IN (SELECT target FROM gone)"                                        \
      " UNION ALL SELECT :lo + target, '', 0, 1 FROM gone),"                                                                               \
      " actual AS (SELECT event_id, text, edited_ms, deleted FROM message_views WHERE event_id > :lo AND event_id < :hi)"                  \
      " SELECT (SELECT count(*) FROM (SELECT * FROM expected EXCEPT SELECT * FROM actual))"                                                \
      " + (SELECT count(*) FROM (SELECT * FROM actual EXCEPT SELECT * FROM expected))")                                                    \
    X(check_reactions, CHECK,                                                                                                              \
      "WITH newest AS (SELECT target, text, actor_id, max(id) AS id FROM events"                                                           \
      " WHERE id > :lo AND id < :hi AND kind IN (4, 5) AND target >= :seq GROUP BY target, text, actor_id),"                               \
      " gone AS (SELECT DISTINCT target FROM events WHERE id > :lo AND id < :hi AND kind = 3),"                                            \
      " expected AS (SELECT :lo + n.target AS event_id, n.text AS reaction, n.actor_id AS user_id"                                         \
      " FROM newest n JOIN events e ON e.id = n.id WHERE e.kind = 4 AND n.target NOT IN (SELECT target FROM gone)),"                       \
      " actual AS (SELECT event_id, reaction, user_id FROM reactions WHERE event_id > :lo AND event_id < :hi)"                             \
      " SELECT (SELECT count(*) FROM (SELECT * FROM expected EXCEPT SELECT * FROM actual))"                                                \
      " + (SELECT count(*) FROM (SELECT * FROM actual EXCEPT SELECT * FROM expected))")                                                    \
    X(check_orphans, CHECK,                                                                                                                \
      "SELECT count(*) FROM events WHERE room_id NOT IN (SELECT id FROM rooms UNION ALL SELECT room_id FROM room_purges)")                 \
    X(check_erased, CHECK, "SELECT count(*) FROM events WHERE kind = 1 AND deleted = 1 AND text <> ''")                                    \
    X(check_member_names, CHECK,                                                                                                           \
      "SELECT count(*) FROM members m LEFT JOIN users u ON u.id = m.user_id WHERE u.name IS NOT m.user_name COLLATE BINARY")               \
    X(check_member_counts, CHECK,                                                                                                          \
      "SELECT count(*) FROM rooms r WHERE r.member_count <> (SELECT count(*) FROM members m WHERE m.room_id = r.id)")

enum db_stmt {
#define X(name, role, sql) DB_S_##name,
    DB_STMT_MAP(X)
#undef X
        DB_STMT_COUNT
};

#endif
