/* Messages as people see them. An untouched message is its MESSAGE event; what was edited or deleted has a row in message_views,
 * reactions have rows of their own. */
#include "db_store.h"

/* ---- Reading ---- */

/* The row of messages_down, messages_up; author by name, text into the arena. */
static confab_err read_view(struct db_query *q, arena *a, struct message_view *m)
{
    *m = (struct message_view){0};
    m->seq = db_key_seq(db_column_int(q));
    m->at_ms = db_column_int(q);
    m->author_id = db_column_int(q);
    m->reply_to = db_column_int(q);
    span text = db_column_text(q);
    m->deleted = db_column_int(q) != 0;
    bool has_view = db_column_int(q) != 0;
    span view_text = db_column_text(q);
    int64_t edited_ms = db_column_int(q);
    bool view_deleted = db_column_int(q) != 0;
    if (has_view) {
        text = view_text;
        m->edited_ms = edited_ms;
        m->deleted = m->deleted || view_deleted;
    }
    if (m->deleted) {
        text = (span){"", 0};
        m->edited_ms = 0;
    }
    span author;
    confab_err e = db_user_name(q->conn, m->author_id, &author);
    if (confab_failed(e)) return e;
    m->author = arena_copy(a, author);
    m->text = arena_copy(a, text);
    return m->author.p && m->text.p ? confab_ok() : db_no_memory();
}

/* Puts the reactions of the range on its messages. Both are in ascending order. */
static confab_err read_reactions(store_tx *tx, int64_t room_id, int64_t reader_id, arena *a, struct message_view *list, size_t n)
{
    struct db_query q;
    struct reaction_count *all = NULL;
    size_t count = 0, cap = 0, at = 0;
    confab_err e = confab_ok();
    if (n == 0) return e;
    db_start(&q, tx->conn, DB_S_reactions_between);
    db_bind_int(&q, DB_P_lo, db_event_key(room_id, list[0].seq));
    db_bind_int(&q, DB_P_hi, db_event_key(room_id, list[n - 1].seq));
    db_bind_int(&q, DB_P_user_id, reader_id);
    while (db_step(&q)) {
        int64_t seq = db_key_seq(db_column_int(&q));
        if (list[at].seq != seq) count = cap = 0; /* the next message's list begins */
        while (at < n && list[at].seq < seq)
            at++;
        if (at == n) break;
        if (list[at].seq > seq || list[at].deleted) continue;
        all = db_list_grow(a, all, count, &cap, sizeof *all);
        span reaction = arena_copy(a, db_column_text(&q));
        if (!all || !reaction.p) {
            e = db_no_memory();
            break;
        }
        int64_t times = db_column_int(&q);
        all[count++] = (struct reaction_count){.reaction = reaction, .count = times, .me = db_column_int(&q) != 0};
        list[at].reactions = all;
        list[at].reaction_count = count;
    }
    confab_err end = db_finish(&q);
    return confab_failed(e) ? e : end;
}

static void reverse(struct message_view *list, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        struct message_view m = list[i];
        list[i] = list[n - 1 - i];
        list[n - 1 - i] = m;
    }
}

struct page {
    enum db_stmt stmt;
    int64_t lo, hi; /* exclusive keys */
    size_t limit;
};

static confab_err read_page(store_tx *tx, const struct page *p, arena *a, struct message_view **out, size_t *n, bool *more)
{
    struct db_query q;
    size_t cap = 0;
    confab_err e = confab_ok();
    *out = NULL;
    *n = 0;
    *more = false;
    db_start(&q, tx->conn, p->stmt);
    db_bind_int(&q, DB_P_lo, p->lo);
    db_bind_int(&q, DB_P_hi, p->hi);
    db_bind_int(&q, DB_P_limit, (int64_t)p->limit + 1);
    while (!confab_failed(e) && db_step(&q)) {
        if (*n == p->limit) {
            *more = true;
            break;
        }
        *out = db_list_grow(a, *out, *n, &cap, sizeof **out);
        e = *out ? read_view(&q, a, &(*out)[*n]) : db_no_memory();
        if (!confab_failed(e)) ++*n;
    }
    confab_err end = db_finish(&q);
    if (p->stmt == DB_S_messages_down) reverse(*out, *n);
    return confab_failed(e) ? e : end;
}

confab_err store_messages_page(store_tx *tx, int64_t room_id, int64_t reader_id, int64_t before, int64_t after, size_t limit, arena *a,
                               struct message_view **out, size_t *n, bool *more)
{
    *out = NULL;
    *n = 0;
    *more = false;
    if (!db_room_id_is_valid(room_id)) return confab_fail(CONFAB_ROOM_NOT_FOUND);
    bool up = after >= 0;
    if (after >= DB_SEQ_MAX) return confab_ok();
    struct page p = {.stmt = up ? DB_S_messages_up : DB_S_messages_down,
                     .lo = db_event_key(room_id, up ? after : 0),
                     .hi = db_seq_is_valid(before) ? db_event_key(room_id, before) : db_room_end(room_id),
                     .limit = db_limit(limit)};
    confab_err e = read_page(tx, &p, a, out, n, more);
    return confab_failed(e) ? e : read_reactions(tx, room_id, reader_id, a, *out, *n);
}

confab_err store_message_get(store_tx *tx, int64_t room_id, int64_t reader_id, int64_t seq, arena *a, struct message_view *out)
{
    if (!db_room_id_is_valid(room_id)) return confab_fail(CONFAB_ROOM_NOT_FOUND);
    if (!db_seq_is_valid(seq)) return confab_fail(CONFAB_MESSAGE_NOT_FOUND);
    struct page p = {.stmt = DB_S_messages_up, .lo = db_event_key(room_id, seq - 1), .hi = db_event_key(room_id, seq) + 1, .limit = 1};
    struct message_view *list = NULL;
    size_t n = 0;
    bool more = false;
    confab_err e = read_page(tx, &p, a, &list, &n, &more);
    if (!confab_failed(e) && n == 0) e = confab_fail(CONFAB_MESSAGE_NOT_FOUND);
    if (!confab_failed(e)) e = read_reactions(tx, room_id, reader_id, a, list, n);
    if (!confab_failed(e)) *out = list[0];
    return e;
}

/* ---- Changing ---- */

/* Why a change of the message found nothing to change: OK where it is there and not deleted. */
static confab_err why_not(store_tx *tx, int64_t room_id, int64_t seq)
{
    arena a = {0};
    struct message_view m;
    confab_err e = store_message_get(tx, room_id, 0, seq, &a, &m);
    bool deleted = !confab_failed(e) && m.deleted;
    arena_free(&a);
    if (confab_failed(e)) return e;
    return deleted ? confab_fail(CONFAB_MESSAGE_DELETED) : confab_ok();
}

static confab_err check_target(const store_tx *tx, int64_t room_id, int64_t seq)
{
    confab_err e = db_need_writer(tx);
    if (confab_failed(e)) return e;
    return db_room_id_is_valid(room_id) && db_seq_is_valid(seq) ? e : confab_fail(CONFAB_MESSAGE_NOT_FOUND);
}

confab_err store_message_set_text(store_tx *tx, int64_t room_id, int64_t seq, span text, int64_t edited_ms)
{
    struct db_query q;
    confab_err e = check_target(tx, room_id, seq);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, DB_S_view_set_text);
    db_bind_int(&q, DB_P_id, db_event_key(room_id, seq));
    db_bind_text(&q, DB_P_text, text.p ? text : (span){"", 0});
    db_bind_int(&q, DB_P_edited_ms, edited_ms);
    (void)db_step(&q);
    e = db_finish(&q);
    if (confab_failed(e) || db_changes(tx->conn) > 0) return e;
    e = why_not(tx, room_id, seq);
    return confab_failed(e) ? e : confab_fail(CONFAB_INTERNAL);
}

confab_err store_message_set_deleted(store_tx *tx, int64_t room_id, int64_t seq)
{
    struct db_query q;
    confab_err e = check_target(tx, room_id, seq);
    if (confab_failed(e)) return e;
    int64_t key = db_event_key(room_id, seq);
    db_start(&q, tx->conn, DB_S_view_set_deleted);
    db_bind_int(&q, DB_P_id, key);
    (void)db_step(&q);
    e = db_finish(&q);
    if (confab_failed(e)) return e;
    if (db_changes(tx->conn) == 0) return confab_fail(CONFAB_MESSAGE_NOT_FOUND);
    db_start(&q, tx->conn, DB_S_reactions_clear);
    db_bind_int(&q, DB_P_id, key);
    (void)db_step(&q);
    return db_finish(&q);
}

confab_err store_reaction_set(store_tx *tx, int64_t room_id, int64_t seq, int64_t user_id, span reaction, bool on, bool *changed)
{
    struct db_query q;
    confab_err e = check_target(tx, room_id, seq);
    if (!confab_failed(e)) e = db_check_text(reaction, REACTION_MAX, "reaction");
    if (!confab_failed(e)) e = why_not(tx, room_id, seq);
    if (confab_failed(e)) return e;
    db_start(&q, tx->conn, on ? DB_S_reaction_add : DB_S_reaction_remove);
    db_bind_int(&q, DB_P_id, db_event_key(room_id, seq));
    db_bind_text(&q, DB_P_reaction, reaction.p ? reaction : (span){"", 0});
    db_bind_int(&q, DB_P_user_id, user_id);
    (void)db_step(&q);
    e = db_finish(&q);
    if (!confab_failed(e)) *changed = db_changes(tx->conn) > 0;
    return e;
}
