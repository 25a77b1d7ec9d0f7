/* Rooms. Their newest seq is not a column: it is the end of their log, found by one index step, and remembered by the writer. */
#include "db_store.h"

/* Events removed per transaction while a deleted room's log goes away. */
enum { PURGE_SLICE = 500 };

static void read_room(struct db_query *q, struct room *r)
{
    *r = (struct room){.id = db_column_int(q)};
    db_copy_text(db_column_text(q), r->slug, sizeof r->slug);
    db_copy_text(db_column_text(q), r->name, sizeof r->name);
    db_copy_text(db_column_text(q), r->topic, sizeof r->topic);
    r->kind = (enum room_kind)db_column_int(q);
    r->archived = db_column_int(q) != 0;
    r->created_ms = db_column_int(q);
    r->first_seq = db_column_int(q);
    r->member_count = db_column_int(q);
    r->last_seq = db_column_int(q);
}

static confab_err finish_room(struct db_query *q, struct room *out)
{
    bool found = db_step(q);
    if (found) read_room(q, out);
    confab_err e = db_finish(q);
    return confab_failed(e) || found ? e : confab_fail(CONFAB_ROOM_NOT_FOUND);
}

static confab_err select_by_id(store_tx *tx, int64_t id, struct room *out)
{
    struct db_query q;
    if (!db_room_id_is_valid(id)) return confab_fail(CONFAB_ROOM_NOT_FOUND);
    db_start(&q, tx->conn, DB_S_room_by_id);
    db_bind_int(&q, DB_P_id, id);
    return finish_room(&q, out);
}

confab_err db_room_for_append(store_tx *tx, int64_t id, struct room **out, struct room *spare)
{
    *out = db_cache_room(tx->cache, id);
    if (*out) return confab_ok();
    confab_err e = select_by_id(tx, id, spare);
    if (confab_failed(e)) return e;
    *out = db_cache_put_room(tx->cache, spare);
    if (!*out) *out = spare;
    return e;
}

confab_err store_room_get(store_tx *tx, int64_t id, struct room *out)
{
    if (!tx->cache) return select_by_id(tx, id, out);
    struct room spare, *room = NULL;
    confab_err e = db_room_for_append(tx, id, &room, &spare);
    if (!confab_failed(e)) *out = *room;
    return e;
}

confab_err store_room_find(store_tx *tx, span slug, struct room *out)
{
    struct db_query q;
    const struct room *known = tx->cache ? db_cache_room_by_slug(tx->cache, slug) : NULL;
    if (known) {
        *out = *known;
        return confab_ok();
    }
    db_start(&q, tx->conn, DB_S_room_by_slug);
    db_bind_text(&q, DB_P_slug, slug);
    confab_err e = finish_room(&q, out);
    if (!confab_failed(e) && tx->cache) (void)db_cache_put_room(tx->cache, out); /* not remembered: read again */
    return e;
}

static confab_err check_names(span name, span topic)
{
    confab_err e = db_check_text(name, DISPLAY_MAX, "name");
    return confab_failed(e) ? e : db_check_text(topic, TOPIC_MAX, "topic");
}

static span or_empty(span s) { return s.p ? s : (span){"", 0}; }

confab_err store_room_create(store_tx *tx, const struct room_new *in, struct room *out)
{
    struct db_query q;
    confab_err e = db_need_writer(tx);
    if (!confab_failed(e)) e = check_names(in->name, in->topic);
    if (!confab_failed(e)) e = db_check_text(in->slug, ROOM_SLUG_MAX, "room_id");
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_room_insert);
    db_bind_text(&q, DB_P_slug, in->slug);
    db_bind_text(&q, DB_P_name, or_empty(in->name));
    db_bind_text(&q, DB_P_topic, or_empty(in->topic));
    db_bind_int(&q, DB_P_kind, in->kind);
    db_bind_int(&q, DB_P_now_ms, tx->now_ms);
    (void)db_step(&q);
    e = db_finish(&q);
    if (confab_failed(e)) return e;
    if (db_changes(tx->conn) == 0) return confab_fail(CONFAB_ROOM_EXISTS);
    return store_room_get(tx, sqlite3_last_insert_rowid(tx->conn->sqlite), out);
}

static void bind_int_if(struct db_query *q, enum db_param p, int64_t v, bool given)
{
    if (given)
        db_bind_int(q, p, v);
    else
        db_bind_null(q, p);
}

confab_err store_room_update(store_tx *tx, int64_t id, const struct room_patch *patch)
{
    struct db_query q;
    confab_err e = db_need_writer(tx);
    if (!confab_failed(e)) e = check_names(patch->name, patch->topic);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_room_update);
    db_bind_int(&q, DB_P_id, id);
    db_bind_text(&q, DB_P_name, patch->name);
    db_bind_text(&q, DB_P_topic, patch->topic);
    bind_int_if(&q, DB_P_kind, patch->kind, patch->kind != 0);
    bind_int_if(&q, DB_P_archived, patch->archived, patch->archived >= 0);
    (void)db_step(&q);
    e = db_finish(&q);
    db_cache_drop_room(tx->cache, id);
    if (confab_failed(e)) return e;
    return db_changes(tx->conn) > 0 ? e : confab_fail(CONFAB_ROOM_NOT_FOUND);
}

/* ---- Going away ---- */

static confab_err run_with_room(store_tx *tx, enum db_stmt stmt, enum db_param p, int64_t id)
{
    struct db_query q;
    db_start(&q, tx->conn, stmt);
    db_bind_int(&q, p, id);
    (void)db_step(&q);
    return db_finish(&q);
}

confab_err store_room_delete(store_tx *tx, int64_t id)
{
    confab_err e = db_need_writer(tx);
    if (confab_failed(e)) return e;
    e = run_with_room(tx, DB_S_room_delete, DB_P_id, id); /* its members go with it */
    if (confab_failed(e)) return e;
    if (db_changes(tx->conn) == 0) return confab_fail(CONFAB_ROOM_NOT_FOUND);
    db_cache_clear(tx->cache); /* memberships of the room are not listed by room */
    /* A log of millions would hold up everyone else's messages: it goes in slices, from now on out of everyone's sight. */
    e = run_with_room(tx, DB_S_purge_add, DB_P_room_id, id);
    tx->has_purges = true;
    return e;
}

static confab_err delete_events(store_tx *tx, int64_t lo, int64_t hi)
{
    struct db_query q;
    db_start(&q, tx->conn, DB_S_events_delete);
    db_bind_int(&q, DB_P_lo, lo);
    db_bind_int(&q, DB_P_hi, hi);
    (void)db_step(&q);
    return db_finish(&q);
}

/* *first 0: the room's log is empty. */
static confab_err find_first_event(store_tx *tx, int64_t room_id, int64_t *first)
{
    struct db_query q;
    *first = 0;
    db_start(&q, tx->conn, DB_S_event_first);
    db_bind_int(&q, DB_P_lo, db_event_key(room_id, 0));
    db_bind_int(&q, DB_P_hi, db_room_end(room_id));
    if (db_step(&q)) *first = db_column_int(&q);
    return db_finish(&q);
}

confab_err db_room_purge_slice(store_tx *tx, bool *more)
{
    struct db_query q;
    int64_t room_id = 0, first = 0;
    *more = false;
    db_start(&q, tx->conn, DB_S_purge_next);
    if (db_step(&q)) room_id = db_column_int(&q);
    confab_err e = db_finish(&q);
    if (confab_failed(e) || room_id == 0) return e;
    *more = true;
    e = find_first_event(tx, room_id, &first);
    if (confab_failed(e)) return e;
    if (first == 0) return run_with_room(tx, DB_S_purge_done, DB_P_room_id, room_id);
    return delete_events(tx, first, first + PURGE_SLICE);
}

confab_err store_room_trim(store_tx *tx, int64_t id, int64_t upto)
{
    struct db_query q;
    struct room room;
    confab_err e = db_need_writer(tx);
    if (!confab_failed(e)) e = store_room_get(tx, id, &room);
    if (confab_failed(e)) return e;
    if (upto >= room.last_seq) upto = room.last_seq - 1; /* the newest event says where the log stands */
    if (upto < room.first_seq) return confab_ok();
    db_start(&q, tx->conn, DB_S_room_cut);
    db_bind_int(&q, DB_P_id, id);
    db_bind_int(&q, DB_P_seq, upto + 1);
    (void)db_step(&q);
    e = db_finish(&q);
    db_cache_drop_room(tx->cache, id);
    if (confab_failed(e)) return e;
    return delete_events(tx, db_event_key(id, 0), db_event_key(id, upto + 1));
}

/* ---- Lists ---- */

confab_err store_room_unread(store_tx *tx, int64_t room_id, int64_t user_id, int64_t last_read, int64_t *unread)
{
    struct db_query q;
    if (!db_room_id_is_valid(room_id)) return confab_fail(CONFAB_ROOM_NOT_FOUND);
    if (last_read < 0) last_read = 0;
    if (last_read > DB_SEQ_MAX) last_read = DB_SEQ_MAX;
    db_start(&q, tx->conn, DB_S_room_unread);
    db_bind_int(&q, DB_P_lo, db_event_key(room_id, last_read));
    db_bind_int(&q, DB_P_hi, db_room_end(room_id));
    db_bind_int(&q, DB_P_user_id, user_id);
    db_bind_int(&q, DB_P_limit, STORE_UNREAD_WINDOW);
    int64_t count = db_step(&q) ? db_column_int(&q) : 0;
    confab_err e = db_finish(&q);
    if (!confab_failed(e)) *unread = count;
    return e;
}

static void read_listed(struct db_query *q, struct room_listed *l)
{
    *l = (struct room_listed){0};
    read_room(q, &l->room);
    l->role = (enum member_role)db_column_int(q);
    l->last_read = db_column_int(q);
}

/* One source of the list, sorted by slug, stepped row by row so that two of them can be merged. */
struct listing {
    struct db_query q;
    struct room_listed head;
    bool has_head;
};

static void listing_advance(struct listing *l)
{
    l->has_head = db_step(&l->q);
    if (l->has_head) read_listed(&l->q, &l->head);
}

static void listing_start(struct listing *l, store_tx *tx, enum db_stmt stmt, int64_t user_id, span after, size_t limit)
{
    db_start(&l->q, tx->conn, stmt);
    db_bind_int(&l->q, DB_P_user_id, user_id);
    db_bind_text(&l->q, DB_P_after, or_empty(after));
    db_bind_int(&l->q, DB_P_limit, (int64_t)limit + 1);
    listing_advance(l);
}

static confab_err merge(struct listing *a, struct listing *b, size_t limit, arena *memory, struct room_listed **out, size_t *n, bool *more)
{
    size_t cap = 0;
    for (;;) {
        struct listing *next = a;
        if (b && b->has_head && (!a->has_head || strcmp(b->head.room.slug, a->head.room.slug) < 0)) next = b;
        if (!next->has_head) return confab_ok();
        if (*n == limit) {
            *more = true;
            return confab_ok();
        }
        *out = db_list_grow(memory, *out, *n, &cap, sizeof **out);
        if (!*out) return db_no_memory();
        (*out)[(*n)++] = next->head;
        listing_advance(next);
    }
}

confab_err store_room_list(store_tx *tx, int64_t user_id, bool all, span after, size_t limit, arena *a, struct room_listed **out, size_t *n,
                           bool *more)
{
    struct listing first, own;
    *out = NULL;
    *n = 0;
    *more = false;
    limit = db_limit(limit);
    /* The public rooms, and the other ones the user is in: two short index ranges, not a walk past everyone's private rooms. */
    listing_start(&first, tx, all ? DB_S_rooms_all : DB_S_rooms_public, user_id, after, limit);
    if (!all) listing_start(&own, tx, DB_S_rooms_own, user_id, after, limit);
    confab_err e = merge(&first, all ? NULL : &own, limit, a, out, n, more);
    confab_err end = db_finish(&first.q);
    if (!confab_failed(e)) e = end;
    if (!all) {
        end = db_finish(&own.q);
        if (!confab_failed(e)) e = end;
    }
    for (size_t i = 0; i < *n && !confab_failed(e); i++) {
        struct room_listed *l = &(*out)[i];
        if (l->role != MEMBER_NONE) e = store_room_unread(tx, l->room.id, user_id, l->last_read, &l->unread);
    }
    return e;
}
