/* Who is in which room. rooms.member_count follows by triggers. */
#include "db_store.h"

static void read_member(struct db_query *q, struct member *m)
{
    *m = (struct member){.user_id = db_column_int(q)};
    db_copy_text(db_column_text(q), m->name, sizeof m->name);
    db_copy_text(db_column_text(q), m->display_name, sizeof m->display_name);
    m->role = (enum member_role)db_column_int(q);
    m->joined_ms = db_column_int(q);
    m->last_read = db_column_int(q);
}

/* On the writer a membership is remembered without its names, which are the user's. */
static confab_err get_remembered(store_tx *tx, const struct db_member *known, int64_t user_id, struct member *out)
{
    struct user u;
    *out = (struct member){.user_id = user_id};
    if (known->role == MEMBER_NONE) return confab_ok();
    confab_err e = store_user_get(tx, user_id, &u);
    if (confab_failed(e)) return e;
    memcpy(out->name, u.name, sizeof out->name);
    memcpy(out->display_name, u.display_name, sizeof out->display_name);
    out->role = known->role;
    out->joined_ms = known->joined_ms;
    out->last_read = known->last_read;
    return e;
}

confab_err store_member_get(store_tx *tx, int64_t room_id, int64_t user_id, struct member *out)
{
    struct db_query q;
    if (!db_room_id_is_valid(room_id) || user_id <= 0) {
        *out = (struct member){.user_id = user_id};
        return confab_ok();
    }
    const struct db_member *known = tx->cache ? db_cache_member(tx->cache, room_id, user_id) : NULL;
    if (known) return get_remembered(tx, known, user_id, out);
    *out = (struct member){.user_id = user_id};
    db_start(&q, tx->conn, DB_S_member_get);
    db_bind_int(&q, DB_P_room_id, room_id);
    db_bind_int(&q, DB_P_user_id, user_id);
    if (db_step(&q)) read_member(&q, out);
    confab_err e = db_finish(&q);
    if (!confab_failed(e) && tx->cache) {
        struct db_member m = {.role = out->role, .joined_ms = out->joined_ms, .last_read = out->last_read};
        db_cache_put_member(tx->cache, room_id, user_id, &m);
    }
    return e;
}

confab_err store_member_put(store_tx *tx, int64_t room_id, int64_t user_id, enum member_role role)
{
    struct db_query q;
    struct room room;
    confab_err e = db_need_writer(tx);
    if (!confab_failed(e)) e = store_room_get(tx, room_id, &room);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_member_put);
    db_bind_int(&q, DB_P_room_id, room_id);
    db_bind_int(&q, DB_P_user_id, user_id);
    db_bind_int(&q, DB_P_role, role);
    db_bind_int(&q, DB_P_now_ms, tx->now_ms);
    db_bind_int(&q, DB_P_seq, room.last_seq); /* what was said before they came does not count as unread */
    (void)db_step(&q);
    e = db_finish(&q);
    db_cache_drop_member(tx->cache, room_id, user_id);
    db_cache_drop_room(tx->cache, room_id); /* its member_count */
    if (confab_failed(e)) return e;
    return db_changes(tx->conn) > 0 ? e : confab_fail(CONFAB_USER_NOT_FOUND);
}

confab_err store_member_remove(store_tx *tx, int64_t room_id, int64_t user_id)
{
    struct db_query q;
    confab_err e = db_need_writer(tx);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_member_remove);
    db_bind_int(&q, DB_P_room_id, room_id);
    db_bind_int(&q, DB_P_user_id, user_id);
    (void)db_step(&q);
    e = db_finish(&q);
    db_cache_drop_member(tx->cache, room_id, user_id);
    db_cache_drop_room(tx->cache, room_id);
    return e;
}

confab_err store_member_set_read(store_tx *tx, int64_t room_id, int64_t user_id, int64_t seq, int64_t *now_at)
{
    struct db_query q;
    struct room room;
    struct member m;
    confab_err e = db_need_writer(tx);
    if (!confab_failed(e)) e = store_room_get(tx, room_id, &room);
    if (!confab_failed(e)) e = store_member_get(tx, room_id, user_id, &m);
    if (confab_failed(e)) return e;
    if (m.role == MEMBER_NONE) return confab_fail(CONFAB_NOT_A_MEMBER);
    if (seq > room.last_seq) seq = room.last_seq; /* a mark beyond the end would hide what is still to come */
    *now_at = m.last_read;
    if (seq <= m.last_read) return e;
    db_start(&q, tx->conn, DB_S_member_set_read);
    db_bind_int(&q, DB_P_room_id, room_id);
    db_bind_int(&q, DB_P_user_id, user_id);
    db_bind_int(&q, DB_P_seq, seq);
    (void)db_step(&q);
    e = db_finish(&q);
    if (confab_failed(e)) return e;
    *now_at = seq;
    struct db_member *known = db_cache_member(tx->cache, room_id, user_id);
    if (known) known->last_read = seq;
    return e;
}

confab_err store_member_list(store_tx *tx, int64_t room_id, span after, size_t limit, arena *a, struct member **out, size_t *n, bool *more)
{
    struct db_query q;
    size_t cap = 0;
    confab_err e = confab_ok();
    *out = NULL;
    *n = 0;
    *more = false;
    limit = db_limit(limit);
    db_start(&q, tx->conn, DB_S_members_page);
    db_bind_int(&q, DB_P_room_id, room_id);
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
        read_member(&q, &(*out)[(*n)++]);
    }
    confab_err end = db_finish(&q);
    return confab_failed(e) ? e : end;
}

confab_err store_member_count_owners(store_tx *tx, int64_t room_id, int64_t *out)
{
    struct db_query q;
    db_start(&q, tx->conn, DB_S_member_owners);
    db_bind_int(&q, DB_P_room_id, room_id);
    int64_t count = db_step(&q) ? db_column_int(&q) : 0;
    confab_err e = db_finish(&q);
    if (!confab_failed(e)) *out = count;
    return e;
}
