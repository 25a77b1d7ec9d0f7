/* The log: appending, reading, erasing. */
#include "db_store.h"

/* ---- Appending ---- */

/* The announcement carries the names that the job gave; what it left out is looked up. */
static confab_err announce(store_tx *tx, const struct event *e, const struct room *room)
{
    struct event told = *e;
    confab_err err = confab_ok();
    if (!told.room.p) told.room = span_of(room->slug);
    if (!told.text.p) told.text = (span){"", 0};
    if (!told.actor.p) err = db_user_name(tx->conn, e->actor_id, &told.actor);
    if (!confab_failed(err) && !told.subject.p) err = db_user_name(tx->conn, e->subject_id, &told.subject);
    if (!confab_failed(err) && !db_batch_add(tx->batch, &told)) err = db_no_memory();
    return err;
}

confab_err store_event_find_client(store_tx *tx, int64_t room_id, int64_t actor_id, span client_id, int64_t *seq, int64_t *at_ms)
{
    struct db_query q;
    *seq = *at_ms = 0;
    if (!client_id.p) return confab_ok();
    db_start(&q, tx->conn, DB_S_event_by_client);
    db_bind_text(&q, DB_P_client_id, client_id);
    db_bind_int(&q, DB_P_room_id, room_id);
    db_bind_int(&q, DB_P_actor_id, actor_id);
    if (db_step(&q)) {
        *seq = db_key_seq(db_column_int(&q));
        *at_ms = db_column_int(&q);
    }
    return db_finish(&q);
}

/* *inserted false: (room, actor, client_id) is there already. */
static confab_err insert(store_tx *tx, const struct event *e, bool *inserted)
{
    struct db_query q;
    db_start(&q, tx->conn, DB_S_event_insert);
    db_bind_int(&q, DB_P_id, db_event_key(e->room_id, e->seq));
    db_bind_int(&q, DB_P_at_ms, e->at_ms);
    db_bind_int(&q, DB_P_kind, e->kind);
    db_bind_int(&q, DB_P_actor_id, e->actor_id);
    db_bind_int(&q, DB_P_target, e->target);
    db_bind_int(&q, DB_P_subject_id, e->subject_id);
    db_bind_int(&q, DB_P_role, e->role);
    db_bind_text(&q, DB_P_text, e->text.p ? e->text : (span){"", 0});
    db_bind_text(&q, DB_P_client_id, e->client_id);
    (void)db_step(&q);
    confab_err err = db_finish(&q);
    *inserted = !confab_failed(err) && db_changes(tx->conn) == 1;
    return err;
}

static confab_err append(store_tx *tx, struct event *inout, int64_t at_ms, bool *duplicate)
{
    confab_err e = db_need_writer(tx);
    if (confab_failed(e)) return e;
    struct room spare, *room = NULL;
    e = db_room_for_append(tx, inout->room_id, &room, &spare);
    if (confab_failed(e)) return e;
    if (!db_seq_is_valid(room->last_seq + 1)) return confab_fail_msg(CONFAB_TOO_LARGE, "The room's log is full");
    struct event next = *inout;
    next.seq = room->last_seq + 1;
    next.at_ms = at_ms;
    next.deleted = false;
    bool inserted = false;
    e = insert(tx, &next, &inserted);
    if (confab_failed(e)) return e;
    if (!inserted) {
        e = store_event_find_client(tx, inout->room_id, inout->actor_id, inout->client_id, &inout->seq, &inout->at_ms);
        *duplicate = !confab_failed(e);
        if (*duplicate) tx->duplicates++;
        return e;
    }
    e = announce(tx, &next, room);
    if (confab_failed(e)) {
        tx->conn->hard = e; /* it is in the log and nobody would be told: the batch must not commit */
        return e;
    }
    room->last_seq = inout->seq = next.seq;
    inout->at_ms = at_ms;
    *duplicate = false;
    return confab_ok();
}

confab_err store_event_append(store_tx *tx, struct event *inout, bool *duplicate) { return append(tx, inout, tx->now_ms, duplicate); }
confab_err store_event_import(store_tx *tx, struct event *inout, bool *duplicate) { return append(tx, inout, inout->at_ms, duplicate); }

/* ---- Reading ---- */

/* Spans borrow from the row and from the connection's names. */
static confab_err read_event(struct db_query *q, int64_t room_id, span slug, struct event *e)
{
    *e = (struct event){.room_id = room_id, .room = slug};
    e->seq = db_key_seq(db_column_int(q));
    e->at_ms = db_column_int(q);
    e->kind = (enum event_kind)db_column_int(q);
    e->actor_id = db_column_int(q);
    e->target = db_column_int(q);
    e->subject_id = db_column_int(q);
    e->role = (enum member_role)db_column_int(q);
    e->deleted = db_column_int(q) != 0;
    e->text = db_column_text(q);
    e->client_id = db_column_text(q);
    confab_err err = db_user_name(q->conn, e->actor_id, &e->actor);
    return confab_failed(err) ? err : db_user_name(q->conn, e->subject_id, &e->subject);
}

static confab_err read_slug(store_tx *tx, int64_t room_id, char slug[ROOM_SLUG_MAX + 1])
{
    struct db_query q;
    const struct room *known = tx->cache ? db_cache_room(tx->cache, room_id) : NULL;
    if (known) {
        memcpy(slug, known->slug, ROOM_SLUG_MAX + 1);
        return confab_ok();
    }
    db_start(&q, tx->conn, DB_S_room_slug);
    db_bind_int(&q, DB_P_id, room_id);
    bool found = db_step(&q);
    if (found) db_copy_text(db_column_text(&q), slug, ROOM_SLUG_MAX + 1);
    confab_err e = db_finish(&q);
    return confab_failed(e) || found ? e : confab_fail(CONFAB_ROOM_NOT_FOUND);
}

/* Copies the spans into the arena; they borrow until then. */
static confab_err keep_event(arena *a, struct event *e)
{
    span *spans[] = {&e->room, &e->actor, &e->subject, &e->text, &e->client_id};
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        bool absent = !spans[i]->p;
        *spans[i] = arena_copy(a, *spans[i]);
        if (!absent && !spans[i]->p) return db_no_memory();
    }
    return confab_ok();
}

confab_err store_event_get(store_tx *tx, int64_t room_id, int64_t seq, arena *a, struct event *out)
{
    struct db_query q;
    char slug[ROOM_SLUG_MAX + 1];
    if (!db_room_id_is_valid(room_id)) return confab_fail(CONFAB_ROOM_NOT_FOUND);
    if (!db_seq_is_valid(seq)) return confab_fail(CONFAB_MESSAGE_NOT_FOUND);
    confab_err e = read_slug(tx, room_id, slug);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_event_get);
    db_bind_int(&q, DB_P_id, db_event_key(room_id, seq));
    bool found = db_step(&q);
    struct event event;
    if (found) {
        e = read_event(&q, room_id, span_of(slug), &event);
        if (!confab_failed(e)) e = keep_event(a, &event);
    }
    confab_err end = db_finish(&q);
    if (confab_failed(end)) return end;
    if (!confab_failed(e) && !found) e = confab_fail(CONFAB_MESSAGE_NOT_FOUND);
    if (!confab_failed(e)) *out = event;
    return e;
}

confab_err store_events_after(store_tx *tx, int64_t room_id, int64_t after, size_t limit, size_t max_bytes, store_event_fn *each, void *ctx)
{
    struct db_query q;
    char slug[ROOM_SLUG_MAX + 1];
    size_t bytes = 0, events = 0;
    if (!db_room_id_is_valid(room_id)) return confab_fail(CONFAB_ROOM_NOT_FOUND);
    confab_err e = read_slug(tx, room_id, slug);
    if (confab_failed(e)) return e;
    if (after < 0) after = 0;
    if (after >= DB_SEQ_MAX || limit == 0) return confab_ok();
    db_start(&q, tx->conn, DB_S_events_after);
    db_bind_int(&q, DB_P_lo, db_event_key(room_id, after));
    db_bind_int(&q, DB_P_hi, db_room_end(room_id));
    db_bind_int(&q, DB_P_limit, limit < INT64_MAX ? (int64_t)limit : INT64_MAX);
    while ((bytes < max_bytes || events == 0) && db_step(&q)) {
        struct event event;
        e = read_event(&q, room_id, span_of(slug), &event);
        if (confab_failed(e) || !each(ctx, &event)) break;
        bytes += event.text.n;
        events++;
    }
    confab_err end = db_finish(&q);
    return confab_failed(e) ? e : end;
}

/* ---- Erasing ---- */

confab_err store_event_erase(store_tx *tx, int64_t room_id, int64_t seq)
{
    struct db_query q;
    confab_err e = db_need_writer(tx);
    if (confab_failed(e)) return e;
    if (!db_room_id_is_valid(room_id) || !db_seq_is_valid(seq)) return confab_fail(CONFAB_MESSAGE_NOT_FOUND);
    db_start(&q, tx->conn, DB_S_event_erase);
    db_bind_int(&q, DB_P_id, db_event_key(room_id, seq));
    (void)db_step(&q);
    e = db_finish(&q);
    if (confab_failed(e)) return e;
    if (db_changes(tx->conn) == 0) return confab_fail(CONFAB_MESSAGE_NOT_FOUND);
    db_start(&q, tx->conn, DB_S_event_erase_edits);
    db_bind_int(&q, DB_P_room_id, room_id);
    db_bind_int(&q, DB_P_target, seq);
    (void)db_step(&q);
    return db_finish(&q);
}
