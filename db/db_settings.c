/* What a server keeps beside rooms and people: overrides of rate limits, the audit log, small named values. */
#include "db_store.h"

static span or_empty(span s) { return s.p ? s : (span){"", 0}; }

confab_err store_limit_put(store_tx *tx, const struct limit_override *in)
{
    struct db_query q;
    confab_err e = db_need_writer(tx);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_limit_put);
    db_bind_int(&q, DB_P_user_id, in->user_id);
    db_bind_int(&q, DB_P_role, in->role);
    db_bind_text(&q, DB_P_action, span_of(in->action));
    db_bind_int(&q, DB_P_per_minute, in->per_minute);
    db_bind_int(&q, DB_P_burst, in->burst);
    (void)db_step(&q);
    return db_finish(&q);
}

confab_err store_limit_delete(store_tx *tx, int64_t user_id, enum user_role role, const char *action)
{
    struct db_query q;
    confab_err e = db_need_writer(tx);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_limit_delete);
    db_bind_int(&q, DB_P_user_id, user_id);
    db_bind_int(&q, DB_P_role, role);
    db_bind_text(&q, DB_P_action, span_of(action));
    (void)db_step(&q);
    return db_finish(&q);
}

confab_err store_limit_list(store_tx *tx, arena *a, struct limit_override **out, size_t *n)
{
    struct db_query q;
    size_t cap = 0;
    confab_err e = confab_ok();
    *out = NULL;
    *n = 0;
    db_start(&q, tx->conn, DB_S_limits);
    while (db_step(&q)) {
        *out = db_list_grow(a, *out, *n, &cap, sizeof **out);
        if (!*out) {
            e = db_no_memory();
            break;
        }
        struct limit_override *o = &(*out)[(*n)++];
        *o = (struct limit_override){.user_id = db_column_int(&q)};
        o->role = (enum user_role)db_column_int(&q);
        db_copy_text(db_column_text(&q), o->action, sizeof o->action);
        o->per_minute = db_column_int(&q);
        o->burst = db_column_int(&q);
    }
    confab_err end = db_finish(&q);
    return confab_failed(e) ? e : end;
}

confab_err store_audit_add(store_tx *tx, const struct audit *in)
{
    struct db_query q;
    confab_err e = db_need_writer(tx);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_audit_insert);
    db_bind_int(&q, DB_P_at_ms, in->at_ms ? in->at_ms : tx->now_ms);
    db_bind_text(&q, DB_P_actor, or_empty(in->actor));
    db_bind_text(&q, DB_P_action, or_empty(in->action));
    db_bind_text(&q, DB_P_target, or_empty(in->target));
    db_bind_text(&q, DB_P_address, or_empty(in->address));
    db_bind_text(&q, DB_P_detail, or_empty(in->detail));
    (void)db_step(&q);
    return db_finish(&q);
}

static bool read_audit(struct db_query *q, arena *a, struct audit *out)
{
    *out = (struct audit){.id = db_column_int(q)};
    out->at_ms = db_column_int(q);
    span *texts[] = {&out->actor, &out->action, &out->target, &out->address, &out->detail};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = arena_copy(a, db_column_text(q));
        if (!texts[i]->p) return false;
    }
    return true;
}

confab_err store_audit_list(store_tx *tx, int64_t before, size_t limit, arena *a, struct audit **out, size_t *n, bool *more)
{
    struct db_query q;
    size_t cap = 0;
    confab_err e = confab_ok();
    *out = NULL;
    *n = 0;
    *more = false;
    limit = db_limit(limit);
    db_start(&q, tx->conn, DB_S_audit_page);
    db_bind_int(&q, DB_P_hi, before > 0 ? before : INT64_MAX);
    db_bind_int(&q, DB_P_limit, (int64_t)limit + 1);
    while (db_step(&q)) {
        *more = *n == limit;
        if (*more) break;
        *out = db_list_grow(a, *out, *n, &cap, sizeof **out);
        if (!*out || !read_audit(&q, a, &(*out)[*n])) {
            e = db_no_memory();
            break;
        }
        ++*n;
    }
    confab_err end = db_finish(&q);
    return confab_failed(e) ? e : end;
}

confab_err store_meta_get(store_tx *tx, const char *name, arena *a, span *out)
{
    struct db_query q;
    span value = {0};
    bool lost = false;
    db_start(&q, tx->conn, DB_S_meta_get);
    db_bind_text(&q, DB_P_name, span_of(name));
    if (db_step(&q)) {
        value = arena_copy(a, db_column_text(&q));
        lost = !value.p;
    }
    confab_err e = db_finish(&q);
    if (confab_failed(e)) return e;
    if (lost) return db_no_memory();
    *out = value;
    return e;
}

confab_err store_meta_put(store_tx *tx, const char *name, span value)
{
    struct db_query q;
    confab_err e = db_need_writer(tx);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, value.p ? DB_S_meta_put : DB_S_meta_delete);
    db_bind_text(&q, DB_P_name, span_of(name));
    if (value.p) db_bind_blob(&q, DB_P_value, value.p, value.n);
    (void)db_step(&q);
    return db_finish(&q);
}
