/* People. A row is never deleted and its name never changes. */
#include "db_store.h"

#define PASSWORD_HASH_SIZE 128 /* crypto_pwhash_STRBYTES, NUL included */

static void read_user(struct db_query *q, struct user *u)
{
    *u = (struct user){.id = db_column_int(q)};
    db_copy_text(db_column_text(q), u->name, sizeof u->name);
    db_copy_text(db_column_text(q), u->display_name, sizeof u->display_name);
    u->role = (enum user_role)db_column_int(q);
    u->disabled = db_column_int(q) != 0;
    u->created_ms = db_column_int(q);
    u->token_epoch = db_column_int(q);
}

static confab_err finish_user(store_tx *tx, struct db_query *q, struct user *out)
{
    bool found = db_step(q);
    if (found) read_user(q, out);
    confab_err e = db_finish(q);
    if (confab_failed(e)) return e;
    if (!found) return confab_fail(CONFAB_USER_NOT_FOUND);
    if (tx->cache) db_cache_put_user(tx->cache, out);
    return e;
}

confab_err store_user_get(store_tx *tx, int64_t id, struct user *out)
{
    struct db_query q;
    const struct user *known = tx->cache ? db_cache_user(tx->cache, id) : NULL;
    if (known) {
        *out = *known;
        return confab_ok();
    }
    db_start(&q, tx->conn, DB_S_user_by_id);
    db_bind_int(&q, DB_P_id, id);
    return finish_user(tx, &q, out);
}

confab_err store_user_find(store_tx *tx, span name, struct user *out)
{
    struct db_query q;
    db_start(&q, tx->conn, DB_S_user_by_name);
    db_bind_text(&q, DB_P_name, name);
    return finish_user(tx, &q, out);
}

confab_err store_user_create(store_tx *tx, const struct user_new *in, struct user *out)
{
    struct db_query q;
    confab_err e = db_need_writer(tx);
    if (!confab_failed(e)) e = db_check_text(in->name, USER_NAME_MAX, "username");
    if (!confab_failed(e)) e = db_check_text(in->display_name, DISPLAY_MAX, "display_name");
    if (!confab_failed(e)) e = db_check_text(in->password_hash, PASSWORD_HASH_SIZE - 1, "password");
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_user_insert);
    db_bind_text(&q, DB_P_name, in->name);
    db_bind_text(&q, DB_P_display_name, in->display_name.p ? in->display_name : (span){"", 0});
    db_bind_text(&q, DB_P_password_hash, in->password_hash.p ? in->password_hash : (span){"", 0});
    db_bind_int(&q, DB_P_role, in->role);
    db_bind_int(&q, DB_P_now_ms, tx->now_ms);
    (void)db_step(&q);
    e = db_finish(&q);
    if (confab_failed(e)) return e;
    if (db_changes(tx->conn) == 0) return confab_fail(CONFAB_USER_EXISTS);
    return store_user_get(tx, sqlite3_last_insert_rowid(tx->conn->sqlite), out);
}

/* Ends a statement that changes one user. */
static confab_err finish_change(store_tx *tx, struct db_query *q, int64_t id)
{
    (void)db_step(q);
    confab_err e = db_finish(q);
    db_cache_drop_user(tx->cache, id);
    if (confab_failed(e)) return e;
    return db_changes(tx->conn) > 0 ? e : confab_fail(CONFAB_USER_NOT_FOUND);
}

confab_err store_user_update(store_tx *tx, int64_t id, const struct user_patch *patch)
{
    struct db_query q;
    confab_err e = db_need_writer(tx);
    if (!confab_failed(e)) e = db_check_text(patch->display_name, DISPLAY_MAX, "display_name");
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_user_update);
    db_bind_int(&q, DB_P_id, id);
    db_bind_text(&q, DB_P_display_name, patch->display_name);
    if (patch->disabled >= 0)
        db_bind_int(&q, DB_P_disabled, patch->disabled != 0);
    else
        db_bind_null(&q, DB_P_disabled);
    if (patch->role != 0)
        db_bind_int(&q, DB_P_role, patch->role);
    else
        db_bind_null(&q, DB_P_role);
    return finish_change(tx, &q, id);
}

confab_err store_user_password_hash(store_tx *tx, int64_t id, char out[PASSWORD_HASH_SIZE])
{
    struct db_query q;
    db_start(&q, tx->conn, DB_S_user_hash);
    db_bind_int(&q, DB_P_id, id);
    bool found = db_step(&q);
    if (found) db_copy_text(db_column_text(&q), out, PASSWORD_HASH_SIZE);
    confab_err e = db_finish(&q);
    return confab_failed(e) || found ? e : confab_fail(CONFAB_USER_NOT_FOUND);
}

confab_err store_user_set_password_hash(store_tx *tx, int64_t id, const char *hash)
{
    struct db_query q;
    confab_err e = db_need_writer(tx);
    if (!confab_failed(e)) e = db_check_text(span_of(hash), PASSWORD_HASH_SIZE - 1, "password");
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_user_set_hash);
    db_bind_int(&q, DB_P_id, id);
    db_bind_text(&q, DB_P_password_hash, span_of(hash));
    return finish_change(tx, &q, id);
}

confab_err store_user_bump_token_epoch(store_tx *tx, int64_t id)
{
    struct db_query q;
    confab_err e = db_need_writer(tx);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_user_bump);
    db_bind_int(&q, DB_P_id, id);
    return finish_change(tx, &q, id);
}

confab_err store_user_list(store_tx *tx, span after, size_t limit, arena *a, struct user **out, size_t *n, bool *more)
{
    struct db_query q;
    size_t cap = 0;
    confab_err e = confab_ok();
    *out = NULL;
    *n = 0;
    *more = false;
    limit = db_limit(limit);
    db_start(&q, tx->conn, DB_S_users_page);
    db_bind_text(&q, DB_P_after, after.p ? after : (span){"", 0});
    db_bind_int(&q, DB_P_limit, (int64_t)limit + 1);
    while (db_step(&q)) {
        *more = *n == limit;
        if (*more) break;
        *out = db_list_grow(a, *out, *n, &cap, sizeof **out);
        if (!*out) {
            e = db_no_memory();
            break;
        }
        read_user(&q, &(*out)[(*n)++]);
    }
    confab_err end = db_finish(&q);
    return confab_failed(e) ? e : end;
}

confab_err store_user_count_admins(store_tx *tx, int64_t *out)
{
    struct db_query q;
    db_start(&q, tx->conn, DB_S_user_admins);
    int64_t count = db_step(&q) ? db_column_int(&q) : 0;
    confab_err e = db_finish(&q);
    if (!confab_failed(e)) *out = count;
    return e;
}
