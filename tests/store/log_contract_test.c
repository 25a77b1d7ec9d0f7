/* The log and what people see of it: the store's contract, one body for any engine. */
#include <string.h>

#include "store_fixture.h"

/* ---- Appending ---- */

static void each_room_counts_from_one_without_a_hole(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann");
    struct room a = make_room(s, "a"), b = make_room(s, "b");
    for (int i = 1; i <= 20; i++) {
        assert_int_equal(post(s, &a, &ann, "in a", NULL), i);
        if (i % 2 == 0) assert_int_equal(post(s, &b, &ann, "in b", NULL), i / 2);
    }
    struct log_state la = read_log(s, a.id), lb = read_log(s, b.id);
    assert_true(la.ordered && la.count == 20);
    assert_true(lb.ordered && lb.count == 10);
    assert_clean(s);
}

static confab_err run_append_both(store_tx *tx, void *ctx)
{
    struct append_args *a = ctx;
    confab_err e = store_event_append(tx, &a[0].event, &a[0].duplicate);
    return confab_failed(e) ? e : store_event_append(tx, &a[1].event, &a[1].duplicate);
}

static void retry_with_the_same_client_id_returns_the_first_result(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann");
    struct room room = make_room(s, "general");
    struct append_args first = {
        .event = {.room_id = room.id, .kind = EVENT_MESSAGE, .actor_id = ann.id, .text = SPAN_LIT("one"), .client_id = SPAN_LIT("k1")}};
    struct append_args again = first;
    again.event.text = SPAN_LIT("something else");
    assert_ok(do_write(s, run_append, &first));
    assert_false(first.duplicate);
    assert_int_equal(post(s, &room, &ann, "two", "k2"), 2);
    assert_ok(do_write(s, run_append, &again));
    assert_true(again.duplicate);
    assert_int_equal(again.event.seq, first.event.seq);
    assert_true(again.event.at_ms == first.event.at_ms);
    assert_int_equal(read_log(s, room.id).count, 2);
    assert_int_equal(post(s, &room, &ann, "three", NULL), 3);
}

static void duplicate_within_one_transaction_is_found_too(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann");
    struct room room = make_room(s, "general");
    struct append_args both[2];
    both[0] = both[1] = (struct append_args){
        .event = {.room_id = room.id, .kind = EVENT_MESSAGE, .actor_id = ann.id, .text = SPAN_LIT("x"), .client_id = SPAN_LIT("k")}};
    assert_ok(do_write_atomic(s, run_append_both, both));
    assert_false(both[0].duplicate);
    assert_true(both[1].duplicate);
    assert_int_equal(both[1].event.seq, 1);
}

static void client_id_is_per_user_and_room(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann"), bob = make_user(s, "bob");
    struct room a = make_room(s, "a"), b = make_room(s, "b");
    assert_int_equal(post(s, &a, &ann, "x", "k"), 1);
    assert_int_equal(post(s, &a, &bob, "x", "k"), 2);
    assert_int_equal(post(s, &b, &ann, "x", "k"), 1);
    assert_int_equal(post(s, &a, &ann, "x", NULL), 3);
    assert_int_equal(post(s, &a, &ann, "x", NULL), 4);
}

struct find_args {
    int64_t room_id, actor_id, seq, at_ms;
    span client_id;
};

static confab_err run_find_client(store_tx *tx, void *ctx)
{
    struct find_args *a = ctx;
    return store_event_find_client(tx, a->room_id, a->actor_id, a->client_id, &a->seq, &a->at_ms);
}

static void event_is_found_by_its_client_id(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann");
    struct room room = make_room(s, "general");
    post(s, &room, &ann, "x", "k");
    struct find_args a = {.room_id = room.id, .actor_id = ann.id, .client_id = SPAN_LIT("k")};
    assert_ok(do_read(s, run_find_client, &a));
    assert_int_equal(a.seq, 1);
    assert_true(a.at_ms > 0);
    a.client_id = SPAN_LIT("other");
    assert_ok(do_read(s, run_find_client, &a));
    assert_int_equal(a.seq, 0);
    a.client_id = (span){0};
    assert_ok(do_read(s, run_find_client, &a));
    assert_int_equal(a.seq, 0);
}

static void append_to_an_unknown_room_fails(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct append_args a = {.event = {.room_id = 99, .kind = EVENT_MESSAGE, .text = SPAN_LIT("x")}};
    assert_code(do_write(s, run_append, &a), CONFAB_ROOM_NOT_FOUND);
    a.event.room_id = INT64_MAX;
    assert_code(do_write(s, run_append, &a), CONFAB_ROOM_NOT_FOUND);
    a.event.room_id = -1;
    assert_code(do_write(s, run_append, &a), CONFAB_ROOM_NOT_FOUND);
}

static confab_err run_import(store_tx *tx, void *ctx)
{
    struct append_args *a = ctx;
    return store_event_import(tx, &a->event, &a->duplicate);
}

struct get_args {
    int64_t room_id, seq;
    arena a;
    struct event event;
};

static confab_err run_get_event(store_tx *tx, void *ctx)
{
    struct get_args *g = ctx;
    return store_event_get(tx, g->room_id, g->seq, &g->a, &g->event);
}

static void imported_event_keeps_its_own_time(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann");
    struct room room = make_room(s, "general");
    struct append_args a = {.event = {.room_id = room.id,
                                      .kind = EVENT_MESSAGE,
                                      .actor_id = ann.id,
                                      .at_ms = 1234567890123,
                                      .text = SPAN_LIT("old"),
                                      .client_id = SPAN_LIT("import-1")}};
    assert_ok(do_write(s, run_import, &a));
    struct get_args g = {.room_id = room.id, .seq = 1};
    assert_ok(do_read(s, run_get_event, &g));
    assert_true(g.event.at_ms == 1234567890123);
    arena_free(&g.a);
    assert_ok(do_write(s, run_import, &a));
    assert_true(a.duplicate);
}

static void every_field_of_an_event_comes_back(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann"), bob = make_user(s, "bob");
    struct room room = make_room(s, "general");
    static const char bytes[] = "it's \0 a \"trap\"; DROP TABLE events; \xc3\xa9 \xf0\x9f\x8e\x89";
    struct append_args a = {.event = {.room_id = room.id,
                                      .kind = EVENT_MEMBER_ROLE_CHANGED,
                                      .actor_id = ann.id,
                                      .target = 7,
                                      .subject_id = bob.id,
                                      .role = MEMBER_OWNER,
                                      .text = {bytes, sizeof bytes - 1},
                                      .client_id = SPAN_LIT("k'1")}};
    assert_ok(do_write(s, run_append, &a));
    struct get_args g = {.room_id = room.id, .seq = 1};
    assert_ok(do_read(s, run_get_event, &g));
    assert_int_equal(g.event.kind, EVENT_MEMBER_ROLE_CHANGED);
    assert_int_equal(g.event.actor_id, ann.id);
    assert_int_equal(g.event.target, 7);
    assert_int_equal(g.event.subject_id, bob.id);
    assert_int_equal(g.event.role, MEMBER_OWNER);
    assert_true(g.event.at_ms == a.event.at_ms);
    assert_span(g.event.room, "general");
    assert_span(g.event.actor, "ann");
    assert_span(g.event.subject, "bob");
    assert_span(g.event.client_id, "k'1");
    assert_true(span_equal(g.event.text, a.event.text));
    arena_free(&g.a);
    g.seq = 2;
    assert_code(do_read(s, run_get_event, &g), CONFAB_MESSAGE_NOT_FOUND);
    g.seq = -1;
    assert_code(do_read(s, run_get_event, &g), CONFAB_MESSAGE_NOT_FOUND);
    g.seq = INT64_MAX;
    assert_code(do_read(s, run_get_event, &g), CONFAB_MESSAGE_NOT_FOUND);
}

static void absent_client_id_and_empty_text_stay_what_they_are(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct room room = make_room(s, "general");
    struct append_args a = {.event = {.room_id = room.id, .kind = EVENT_ROOM_ARCHIVED}};
    assert_ok(do_write(s, run_append, &a));
    struct get_args g = {.room_id = room.id, .seq = 1};
    assert_ok(do_read(s, run_get_event, &g));
    assert_span(g.event.client_id, NULL);
    assert_span(g.event.text, "");
    assert_span(g.event.actor, "");
    assert_span(g.event.subject, "");
    arena_free(&g.a);
}

/* ---- Reading pages ---- */

struct page_args {
    int64_t room_id, after;
    size_t limit, max_bytes, stop_after, n;
    int64_t seqs[64];
};

static bool note_seq(void *ctx, const struct event *e)
{
    struct page_args *p = ctx;
    assert_true(p->n < 64);
    p->seqs[p->n++] = e->seq;
    return p->stop_after == 0 || p->n < p->stop_after;
}

static confab_err run_page(store_tx *tx, void *ctx)
{
    struct page_args *p = ctx;
    p->n = 0;
    return store_events_after(tx, p->room_id, p->after, p->limit, p->max_bytes, note_seq, p);
}

static void events_after_pages_by_number_and_by_bytes(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann");
    struct room room = make_room(s, "general"), next = make_room(s, "next");
    for (int i = 0; i < 10; i++) {
        post(s, &room, &ann, "0123456789", NULL);
        post(s, &next, &ann, "not this room's", NULL);
    }
    struct page_args p = {.room_id = room.id, .after = 3, .limit = 4, .max_bytes = SIZE_MAX};
    assert_ok(do_read(s, run_page, &p));
    assert_int_equal(p.n, 4);
    assert_int_equal(p.seqs[0], 4);
    assert_int_equal(p.seqs[3], 7);
    p = (struct page_args){.room_id = room.id, .limit = 100, .max_bytes = 25};
    assert_ok(do_read(s, run_page, &p));
    assert_int_equal(p.n, 3);
    p = (struct page_args){.room_id = room.id, .limit = 100, .max_bytes = 0};
    assert_ok(do_read(s, run_page, &p));
    assert_int_equal(p.n, 1); /* at least one, or a long message could never be read */
    p = (struct page_args){.room_id = room.id, .limit = 100, .max_bytes = SIZE_MAX, .stop_after = 2};
    assert_ok(do_read(s, run_page, &p));
    assert_int_equal(p.n, 2);
    p = (struct page_args){.room_id = room.id, .after = 10, .limit = 100, .max_bytes = SIZE_MAX};
    assert_ok(do_read(s, run_page, &p));
    assert_int_equal(p.n, 0);
    p.after = INT64_MAX;
    assert_ok(do_read(s, run_page, &p));
    assert_int_equal(p.n, 0);
    p.after = -5;
    assert_ok(do_read(s, run_page, &p));
    assert_int_equal(p.n, 10);
    p.room_id = 4711;
    assert_code(do_read(s, run_page, &p), CONFAB_ROOM_NOT_FOUND);
}

/* ---- Messages ---- */

struct views {
    int64_t room_id, reader_id, before, after, seq;
    size_t limit, n;
    bool more;
    arena a;
    struct message_view *list, one;
};

static confab_err run_messages(store_tx *tx, void *ctx)
{
    struct views *v = ctx;
    return store_messages_page(tx, v->room_id, v->reader_id, v->before, v->after, v->limit, &v->a, &v->list, &v->n, &v->more);
}

static confab_err run_message(store_tx *tx, void *ctx)
{
    struct views *v = ctx;
    return store_message_get(tx, v->room_id, v->reader_id, v->seq, &v->a, &v->one);
}

static void read_views(store *s, struct views *v, int64_t before, int64_t after, size_t limit)
{
    arena_free(&v->a);
    v->before = before;
    v->after = after;
    v->limit = limit;
    assert_ok(do_read(s, run_messages, v));
}

static void messages_page_in_both_directions_and_tell_of_more(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann");
    struct room room = make_room(s, "general");
    struct append_args joined = {.event = {.room_id = room.id, .kind = EVENT_MEMBER_JOINED, .subject_id = ann.id}};
    for (int i = 0; i < 10; i++) {
        post(s, &room, &ann, "hello", NULL);
        assert_ok(do_write(s, run_append, &joined)); /* every second event is no message */
    }
    struct views v = {.room_id = room.id};
    read_views(s, &v, 0, -1, 3);
    assert_int_equal(v.n, 3);
    assert_int_equal(v.list[0].seq, 15);
    assert_int_equal(v.list[2].seq, 19);
    assert_true(v.more);
    read_views(s, &v, 15, -1, 100);
    assert_int_equal(v.n, 7);
    assert_int_equal(v.list[0].seq, 1);
    assert_false(v.more);
    read_views(s, &v, 0, 0, 4);
    assert_int_equal(v.n, 4);
    assert_int_equal(v.list[0].seq, 1);
    assert_true(v.more);
    read_views(s, &v, 0, 7, 6);
    assert_int_equal(v.n, 6);
    assert_int_equal(v.list[0].seq, 9);
    assert_false(v.more);
    assert_span(v.list[0].author, "ann");
    assert_span(v.list[0].text, "hello");
    read_views(s, &v, 1, -1, 10);
    assert_int_equal(v.n, 0);
    arena_free(&v.a);
}

struct change {
    int64_t room_id, seq, user_id;
    span text;
    bool on, changed, erase;
};

/* An edit, a deletion, a reaction as the domain does them: the view and the event in one job. */
static confab_err run_edit(store_tx *tx, void *ctx)
{
    struct change *c = ctx;
    bool duplicate;
    struct event e = {.room_id = c->room_id, .kind = EVENT_MESSAGE_EDITED, .actor_id = c->user_id, .target = c->seq, .text = c->text};
    confab_err err = store_message_set_text(tx, c->room_id, c->seq, c->text, store_tx_now_ms(tx));
    return confab_failed(err) ? err : store_event_append(tx, &e, &duplicate);
}

static confab_err run_delete(store_tx *tx, void *ctx)
{
    struct change *c = ctx;
    bool duplicate;
    struct event e = {.room_id = c->room_id, .kind = EVENT_MESSAGE_DELETED, .actor_id = c->user_id, .target = c->seq};
    confab_err err = store_event_erase(tx, c->room_id, c->seq);
    if (!confab_failed(err)) err = store_message_set_deleted(tx, c->room_id, c->seq);
    return confab_failed(err) ? err : store_event_append(tx, &e, &duplicate);
}

static confab_err run_react(store_tx *tx, void *ctx)
{
    struct change *c = ctx;
    bool duplicate;
    struct event e = {.room_id = c->room_id,
                      .kind = c->on ? EVENT_REACTION_ADDED : EVENT_REACTION_REMOVED,
                      .actor_id = c->user_id,
                      .target = c->seq,
                      .text = c->text};
    confab_err err = store_reaction_set(tx, c->room_id, c->seq, c->user_id, c->text, c->on, &c->changed);
    return confab_failed(err) || !c->changed ? err : store_event_append(tx, &e, &duplicate);
}

static void edited_message_shows_its_newest_text_in_its_place(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann");
    struct room room = make_room(s, "general");
    post(s, &room, &ann, "frist", NULL);
    post(s, &room, &ann, "second", NULL);
    struct change c = {.room_id = room.id, .seq = 1, .user_id = ann.id, .text = SPAN_LIT("firts")};
    assert_ok(do_write_atomic(s, run_edit, &c));
    c.text = SPAN_LIT("first");
    assert_ok(do_write_atomic(s, run_edit, &c));
    struct views v = {.room_id = room.id};
    read_views(s, &v, 0, -1, 10);
    assert_int_equal(v.n, 2);
    assert_span(v.list[0].text, "first");
    assert_true(v.list[0].edited_ms > 0);
    assert_true(v.list[1].edited_ms == 0);
    arena_free(&v.a);
    struct get_args g = {.room_id = room.id, .seq = 1};
    assert_ok(do_read(s, run_get_event, &g));
    assert_span(g.event.text, "frist"); /* the log says what was said */
    arena_free(&g.a);
    assert_clean(s);
}

static void deleted_message_leaves_no_text_behind(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann");
    struct room room = make_room(s, "general");
    post(s, &room, &ann, "a secret", NULL);
    struct change c = {.room_id = room.id, .seq = 1, .user_id = ann.id, .text = SPAN_LIT("another secret")};
    assert_ok(do_write_atomic(s, run_edit, &c));
    c.text = SPAN_LIT("+1");
    c.on = true;
    assert_ok(do_write_atomic(s, run_react, &c));
    assert_ok(do_write_atomic(s, run_delete, &c));
    struct views v = {.room_id = room.id, .seq = 1};
    assert_ok(do_read(s, run_message, &v));
    assert_true(v.one.deleted);
    assert_span(v.one.text, "");
    assert_int_equal(v.one.reaction_count, 0);
    struct get_args g = {.room_id = room.id, .seq = 1};
    assert_ok(do_read(s, run_get_event, &g));
    assert_span(g.event.text, "");
    assert_true(g.event.deleted);
    g.seq = 2;
    assert_ok(do_read(s, run_get_event, &g));
    assert_span(g.event.text, "");
    assert_int_equal(g.event.kind, EVENT_MESSAGE_EDITED);
    arena_free(&g.a);
    arena_free(&v.a);
    assert_int_equal(read_log(s, room.id).count, 4); /* the rows stay */
    assert_code(do_write_atomic(s, run_edit, &c), CONFAB_MESSAGE_DELETED);
    assert_code(do_write_atomic(s, run_react, &c), CONFAB_MESSAGE_DELETED);
    assert_clean(s);
}

static void reactions_are_counted_once_per_person(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann"), bob = make_user(s, "bob");
    struct room room = make_room(s, "general");
    for (int i = 0; i < 3; i++)
        post(s, &room, &ann, "hello", NULL);
    struct change c = {.room_id = room.id, .seq = 2, .user_id = ann.id, .text = SPAN_LIT("+1"), .on = true};
    assert_ok(do_write_atomic(s, run_react, &c));
    assert_true(c.changed);
    assert_ok(do_write_atomic(s, run_react, &c));
    assert_false(c.changed);
    c.user_id = bob.id;
    assert_ok(do_write_atomic(s, run_react, &c));
    c.text = SPAN_LIT("heart");
    assert_ok(do_write_atomic(s, run_react, &c));
    c.seq = 3;
    assert_ok(do_write_atomic(s, run_react, &c));
    struct views v = {.room_id = room.id, .reader_id = ann.id};
    read_views(s, &v, 0, -1, 10);
    assert_int_equal(v.list[0].reaction_count, 0);
    assert_int_equal(v.list[1].reaction_count, 2);
    assert_span(v.list[1].reactions[0].reaction, "+1");
    assert_int_equal(v.list[1].reactions[0].count, 2);
    assert_true(v.list[1].reactions[0].me);
    assert_span(v.list[1].reactions[1].reaction, "heart");
    assert_false(v.list[1].reactions[1].me);
    assert_int_equal(v.list[2].reaction_count, 1);
    c = (struct change){.room_id = room.id, .seq = 2, .user_id = bob.id, .text = SPAN_LIT("+1")};
    assert_ok(do_write_atomic(s, run_react, &c));
    assert_true(c.changed);
    read_views(s, &v, 0, -1, 10);
    assert_int_equal(v.list[1].reactions[0].count, 1);
    arena_free(&v.a);
    assert_clean(s);
}

static void many_reactions_on_one_message_all_come_back(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann");
    struct room room = make_room(s, "general");
    post(s, &room, &ann, "hello", NULL);
    static const char words[] = "abcdefghijklmnopqrstuvwxyz";
    struct change c = {.room_id = room.id, .seq = 1, .user_id = ann.id, .on = true};
    for (size_t i = 0; i < 26; i++) {
        c.text = (span){words + i, 1};
        assert_ok(do_write_atomic(s, run_react, &c));
    }
    struct views v = {.room_id = room.id, .seq = 1};
    assert_ok(do_read(s, run_message, &v));
    assert_int_equal(v.one.reaction_count, 26);
    assert_span(v.one.reactions[25].reaction, "z");
    arena_free(&v.a);
}

static void changing_what_is_not_a_message_fails(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct room room = make_room(s, "general");
    struct append_args archived = {.event = {.room_id = room.id, .kind = EVENT_ROOM_ARCHIVED}};
    assert_ok(do_write(s, run_append, &archived));
    static const int64_t seqs[] = {1, 2, 0, -1, INT64_MAX};
    for (size_t i = 0; i < sizeof seqs / sizeof seqs[0]; i++) {
        struct change c = {.room_id = room.id, .seq = seqs[i], .text = SPAN_LIT("x"), .on = true};
        struct views v = {.room_id = room.id, .seq = seqs[i]};
        assert_code(do_write_atomic(s, run_edit, &c), CONFAB_MESSAGE_NOT_FOUND);
        assert_code(do_write_atomic(s, run_delete, &c), CONFAB_MESSAGE_NOT_FOUND);
        assert_code(do_write_atomic(s, run_react, &c), CONFAB_MESSAGE_NOT_FOUND);
        assert_code(do_read(s, run_message, &v), CONFAB_MESSAGE_NOT_FOUND);
        arena_free(&v.a);
    }
    assert_int_equal(read_log(s, room.id).count, 1);
}

/* ---- Retention ---- */

struct trim_args {
    int64_t room_id, upto;
    struct room room;
};

static confab_err run_trim(store_tx *tx, void *ctx)
{
    struct trim_args *t = ctx;
    confab_err e = store_room_trim(tx, t->room_id, t->upto);
    return confab_failed(e) ? e : store_room_get(tx, t->room_id, &t->room);
}

static void trimming_moves_the_first_and_keeps_the_newest(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann");
    struct room room = make_room(s, "general");
    for (int i = 0; i < 10; i++)
        post(s, &room, &ann, "hello", NULL);
    struct change c = {.room_id = room.id, .seq = 2, .user_id = ann.id, .text = SPAN_LIT("edited")};
    assert_ok(do_write_atomic(s, run_edit, &c)); /* seq 11, of a message that goes */
    struct trim_args t = {.room_id = room.id, .upto = 4};
    assert_ok(do_write_atomic(s, run_trim, &t));
    assert_int_equal(t.room.first_seq, 5);
    assert_int_equal(t.room.last_seq, 11);
    assert_clean(s);
    t.upto = 1000;
    assert_ok(do_write_atomic(s, run_trim, &t));
    assert_int_equal(t.room.first_seq, 11);
    assert_int_equal(t.room.last_seq, 11);
    assert_int_equal(post(s, &room, &ann, "next", NULL), 12);
    t.upto = 3;
    assert_ok(do_write_atomic(s, run_trim, &t));
    assert_int_equal(t.room.first_seq, 11);
    assert_clean(s);
}

#define LOG_TESTS(setup)                                                                                                                   \
    cmocka_unit_test_setup_teardown(each_room_counts_from_one_without_a_hole, setup, fixture_close),                                       \
        cmocka_unit_test_setup_teardown(retry_with_the_same_client_id_returns_the_first_result, setup, fixture_close),                     \
        cmocka_unit_test_setup_teardown(duplicate_within_one_transaction_is_found_too, setup, fixture_close),                              \
        cmocka_unit_test_setup_teardown(client_id_is_per_user_and_room, setup, fixture_close),                                             \
        cmocka_unit_test_setup_teardown(event_is_found_by_its_client_id, setup, fixture_close),                                            \
        cmocka_unit_test_setup_teardown(append_to_an_unknown_room_fails, setup, fixture_close),                                            \
        cmocka_unit_test_setup_teardown(imported_event_keeps_its_own_time, setup, fixture_close),                                          \
        cmocka_unit_test_setup_teardown(every_field_of_an_event_comes_back, setup, fixture_close),                                         \
        cmocka_unit_test_setup_teardown(absent_client_id_and_empty_text_stay_what_they_are, setup, fixture_close),                         \
        cmocka_unit_test_setup_teardown(events_after_pages_by_number_and_by_bytes, setup, fixture_close),                                  \
        cmocka_unit_test_setup_teardown(messages_page_in_both_directions_and_tell_of_more, setup, fixture_close),                          \
        cmocka_unit_test_setup_teardown(edited_message_shows_its_newest_text_in_its_place, setup, fixture_close),                          \
        cmocka_unit_test_setup_teardown(deleted_message_leaves_no_text_behind, setup, fixture_close),                                      \
        cmocka_unit_test_setup_teardown(reactions_are_counted_once_per_person, setup, fixture_close),                                      \
        cmocka_unit_test_setup_teardown(many_reactions_on_one_message_all_come_back, setup, fixture_close),                                \
        cmocka_unit_test_setup_teardown(changing_what_is_not_a_message_fails, setup, fixture_close),                                       \
        cmocka_unit_test_setup_teardown(trimming_moves_the_first_and_keeps_the_newest, setup, fixture_close)

int main(void)
{
    const struct CMUnitTest on_disk[] = {LOG_TESTS(fixture_on_disk)};
    const struct CMUnitTest in_memory[] = {LOG_TESTS(fixture_in_memory)};
    int failed = cmocka_run_group_tests_name("log on disk", on_disk, NULL, NULL);
    return failed + cmocka_run_group_tests_name("log in memory", in_memory, NULL, NULL);
}
