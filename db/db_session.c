/* Sessions, by the hash of their refresh token, and the keys that sign access tokens. */
#include "db_store.h"

static void read_session(struct db_query *q, struct session *s)
{
    *s = (struct session){.id = db_column_int(q)};
    s->user_id = db_column_int(q);
    s->created_ms = db_column_int(q);
    s->used_ms = db_column_int(q);
    s->expires_ms = db_column_int(q);
    db_copy_text(db_column_text(q), s->address, sizeof s->address);
    db_copy_text(db_column_text(q), s->agent, sizeof s->agent);
}

static confab_err finish_session(struct db_query *q, struct session *out, bool *found)
{
    *found = db_step(q);
    if (*found) read_session(q, out);
    return db_finish(q);
}

/* A statement that deletes sessions, with one number. */
static confab_err drop_sessions(store_tx *tx, enum db_stmt stmt, enum db_param p, int64_t v)
{
    struct db_query q;
    confab_err e = db_need_writer(tx);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, stmt);
    db_bind_int(&q, p, v);
    (void)db_step(&q);
    e = db_finish(&q);
    db_cache_drop_sessions(tx->cache);
    return e;
}

confab_err store_session_create(store_tx *tx, const struct session *in, const unsigned char hash[STORE_HASH_SIZE], int64_t *out_id)
{
    struct db_query q;
    /* Whoever logs in sweeps up what has expired, so that the table stays as large as the set of live sessions. */
    confab_err e = drop_sessions(tx, DB_S_sessions_expire, DB_P_now_ms, tx->now_ms);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_session_insert);
    db_bind_int(&q, DB_P_user_id, in->user_id);
    db_bind_blob(&q, DB_P_hash, hash, STORE_HASH_SIZE);
    db_bind_int(&q, DB_P_at_ms, in->created_ms ? in->created_ms : tx->now_ms);
    db_bind_int(&q, DB_P_now_ms, in->used_ms ? in->used_ms : tx->now_ms);
    db_bind_int(&q, DB_P_expires_ms, in->expires_ms);
    db_bind_text(&q, DB_P_address, span_of(in->address));
    db_bind_text(&q, DB_P_agent, span_of(in->agent));
    (void)db_step(&q);
    e = db_finish(&q);
    if (!confab_failed(e)) *out_id = sqlite3_last_insert_rowid(tx->conn->sqlite);
    return e;
}

confab_err store_session_find(store_tx *tx, const unsigned char hash[STORE_HASH_SIZE], struct session *out, bool *rotated_out)
{
    struct db_query q;
    bool found = false;
    db_start(&q, tx->conn, DB_S_session_by_hash);
    db_bind_blob(&q, DB_P_hash, hash, STORE_HASH_SIZE);
    confab_err e = finish_session(&q, out, &found);
    if (confab_failed(e)) return e;
    *rotated_out = !found;
    if (found) return e;
    db_start(&q, tx->conn, DB_S_session_by_old);
    db_bind_blob(&q, DB_P_hash, hash, STORE_HASH_SIZE);
    e = finish_session(&q, out, &found);
    return confab_failed(e) || found ? e : confab_fail(CONFAB_SESSION_EXPIRED);
}

confab_err store_session_rotate(store_tx *tx, int64_t id, const unsigned char hash[STORE_HASH_SIZE], int64_t expires_ms)
{
    struct db_query q;
    confab_err e = db_need_writer(tx);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_session_keep_old);
    db_bind_int(&q, DB_P_id, id);
    (void)db_step(&q);
    e = db_finish(&q);
    if (confab_failed(e)) return e;
    if (db_changes(tx->conn) == 0) return confab_fail(CONFAB_SESSION_EXPIRED);
    db_start(&q, tx->conn, DB_S_session_rotate);
    db_bind_int(&q, DB_P_id, id);
    db_bind_blob(&q, DB_P_hash, hash, STORE_HASH_SIZE);
    db_bind_int(&q, DB_P_now_ms, tx->now_ms);
    db_bind_int(&q, DB_P_expires_ms, expires_ms);
    (void)db_step(&q);
    e = db_finish(&q);
    db_cache_drop_sessions(tx->cache);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_session_drop_old);
    db_bind_int(&q, DB_P_session_id, id);
    db_bind_int(&q, DB_P_now_ms, tx->now_ms);
    (void)db_step(&q);
    return db_finish(&q);
}

confab_err store_session_get(store_tx *tx, int64_t id, struct session *out)
{
    struct db_query q;
    bool found = false;
    const struct session *known = tx->cache ? db_cache_session(tx->cache, id) : NULL;
    if (known) {
        *out = *known;
        return confab_ok();
    }
    db_start(&q, tx->conn, DB_S_session_by_id);
    db_bind_int(&q, DB_P_id, id);
    confab_err e = finish_session(&q, out, &found);
    if (confab_failed(e)) return e;
    if (!found) return confab_fail(CONFAB_SESSION_EXPIRED);
    if (tx->cache) db_cache_put_session(tx->cache, out);
    return e;
}

confab_err store_session_delete(store_tx *tx, int64_t id) { return drop_sessions(tx, DB_S_session_delete, DB_P_id, id); }

confab_err store_session_delete_of_user(store_tx *tx, int64_t user_id, int64_t except_id)
{
    struct db_query q;
    confab_err e = db_need_writer(tx);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_sessions_delete);
    db_bind_int(&q, DB_P_user_id, user_id);
    db_bind_int(&q, DB_P_except_id, except_id);
    (void)db_step(&q);
    e = db_finish(&q);
    db_cache_drop_sessions(tx->cache);
    return e;
}

confab_err store_session_list(store_tx *tx, int64_t user_id, arena *a, struct session **out, size_t *n)
{
    struct db_query q;
    size_t cap = 0;
    confab_err e = confab_ok();
    *out = NULL;
    *n = 0;
    db_start(&q, tx->conn, DB_S_sessions_of_user);
    db_bind_int(&q, DB_P_user_id, user_id);
    while (db_step(&q)) {
        *out = db_list_grow(a, *out, *n, &cap, sizeof **out);
        if (!*out) {
            e = db_no_memory();
            break;
        }
        read_session(&q, &(*out)[(*n)++]);
    }
    confab_err end = db_finish(&q);
    return confab_failed(e) ? e : end;
}

/* ---- Signing keys ---- */

confab_err store_key_add(store_tx *tx, const struct signing_key *in)
{
    struct db_query q;
    confab_err e = db_need_writer(tx);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_key_insert);
    db_bind_text(&q, DB_P_kid, span_of(in->kid));
    db_bind_blob(&q, DB_P_seed, in->seed, sizeof in->seed);
    db_bind_int(&q, DB_P_at_ms, in->created_ms);
    db_bind_int(&q, DB_P_retired, in->retired);
    (void)db_step(&q);
    return db_finish(&q);
}

confab_err store_key_list(store_tx *tx, arena *a, struct signing_key **out, size_t *n)
{
    struct db_query q;
    size_t cap = 0;
    confab_err e = confab_ok();
    *out = NULL;
    *n = 0;
    db_start(&q, tx->conn, DB_S_keys);
    while (db_step(&q)) {
        *out = db_list_grow(a, *out, *n, &cap, sizeof **out);
        if (!*out) {
            e = db_no_memory();
            break;
        }
        struct signing_key *k = &(*out)[(*n)++];
        *k = (struct signing_key){0};
        db_copy_text(db_column_text(&q), k->kid, sizeof k->kid);
        span seed = db_column_text(&q);
        if (seed.n == sizeof k->seed) memcpy(k->seed, seed.p, sizeof k->seed); /* the table's CHECK says it is */
        k->created_ms = db_column_int(&q);
        k->retired = db_column_int(&q) != 0;
    }
    confab_err end = db_finish(&q);
    return confab_failed(e) ? e : end;
}
