/* What was said: one message, pages of messages as people see them, pages of the log. */
#include "chat_internal.h"

confab_err history_get_message(struct turn *t)
{
    confab_err e = field_check_id(t->r->args.id);
    if (!confab_failed(e)) e = turn_enter_and_decide(t, POLICY_READ_ROOM);
    if (confab_failed(e)) return e;
    struct message_view *view = arena_alloc(&t->r->arena, sizeof *view);
    if (!view) return confab_fail(CONFAB_INTERNAL);
    e = store_message_get(t->tx, t->room->id, t->me.id, t->r->args.id, &t->r->arena, view);
    if (confab_failed(e)) return e;
    t->r->result.kind = CHAT_RESULT_MESSAGE;
    t->r->result.list.messages = view;
    t->r->result.count = 1;
    return confab_ok();
}

static confab_err check_cursor(const struct chat_args *args)
{
    if (args->before != -1 && args->before < 1) return confab_fail_field(CONFAB_INVALID_FIELD, "before", "A cursor is an id");
    if (args->after < -1) return confab_fail_field(CONFAB_INVALID_FIELD, "after", "A cursor is an id, or 0 for the start");
    if (args->before != -1 && args->after != -1) return confab_fail_field(CONFAB_INVALID_FIELD, "before", "Give before or after, not both");
    return confab_ok();
}

static confab_err begin(struct turn *t, size_t *limit)
{
    confab_err e = check_cursor(&t->r->args);
    if (!confab_failed(e)) e = field_take_limit(t->r->args.limit, limit);
    if (!confab_failed(e)) e = turn_enter_and_decide(t, POLICY_READ_ROOM);
    if (!confab_failed(e)) turn_fill_listed(t);
    return e;
}

confab_err history_list_messages(struct turn *t)
{
    size_t limit;
    confab_err e = begin(t, &limit);
    if (confab_failed(e)) return e;
    struct chat_result *result = &t->r->result;
    int64_t before = t->r->args.before == -1 ? 0 : t->r->args.before;
    e = store_messages_page(t->tx, t->room->id, t->me.id, before, t->r->args.after, limit, &t->r->arena, &result->list.messages,
                            &result->count, &result->more);
    if (!confab_failed(e)) result->kind = CHAT_RESULT_MESSAGES;
    return e;
}

/* ---- Pages of the log ---- */

struct page {
    arena *arena;
    struct event *events; /* room for `cap` */
    size_t n, cap;
    int64_t end; /* events from this seq on are not wanted */
    bool failed;
};

static bool copy_event(void *ctx, const struct event *e)
{
    struct page *p = ctx;
    if (p->n == p->cap || e->seq >= p->end) return false;
    struct event *to = &p->events[p->n];
    *to = *e;
    const span from[] = {e->room, e->actor, e->subject, e->text, e->client_id};
    span *const into[] = {&to->room, &to->actor, &to->subject, &to->text, &to->client_id};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        *into[i] = arena_copy(p->arena, from[i]);
        if (from[i].p && !into[i]->p) p->failed = true;
    }
    p->n++;
    return !p->failed;
}

static confab_err read_page(struct turn *t, int64_t after, int64_t end, size_t limit)
{
    struct page p = {.arena = &t->r->arena, .cap = limit, .end = end};
    p.events = arena_alloc(&t->r->arena, limit * sizeof *p.events);
    if (!p.events) return confab_fail(CONFAB_INTERNAL);
    confab_err e = store_events_after(t->tx, t->room->id, after, limit, end == INT64_MAX ? CHAT_PAGE_BYTES : SIZE_MAX, copy_event, &p);
    if (!confab_failed(e) && p.failed) e = confab_fail(CONFAB_INTERNAL);
    if (confab_failed(e)) return e;
    t->r->result.kind = CHAT_RESULT_EVENTS;
    t->r->result.list.events = p.events;
    t->r->result.count = p.n;
    return e;
}

struct sizes {
    size_t bytes[CHAT_PAGE_MAX];
    size_t n;
    int64_t end;
};

static bool note_size(void *ctx, const struct event *e)
{
    struct sizes *s = ctx;
    if (s->n == CHAT_PAGE_MAX || e->seq >= s->end) return false;
    s->bytes[s->n++] = e->text.n;
    return true;
}

/* The store reads upwards only. Paging backwards must end right before `end` and stay within the size of a page: so the sizes are looked
 * at first, and the page begins as far down as they allow (one event at least). */
static confab_err read_page_before(struct turn *t, int64_t end, size_t limit)
{
    if (end > t->room->last_seq + 1) end = t->room->last_seq + 1;
    int64_t oldest = t->room->first_seq > 1 ? t->room->first_seq : 1;
    int64_t from = end - (int64_t)limit > oldest ? end - (int64_t)limit : oldest;
    struct sizes sizes = {.end = end};
    confab_err e = store_events_after(t->tx, t->room->id, from - 1, limit, SIZE_MAX, note_size, &sizes);
    if (confab_failed(e)) return e;
    size_t take = 0, total = 0;
    while (take < sizes.n && (take == 0 || total + sizes.bytes[sizes.n - 1 - take] <= CHAT_PAGE_BYTES))
        total += sizes.bytes[sizes.n - 1 - take++];
    from = end - (int64_t)take;
    t->r->result.more = take > 0 && from > oldest;
    return read_page(t, from - 1, end, take ? take : 1);
}

confab_err history_list_events(struct turn *t)
{
    size_t limit;
    confab_err e = begin(t, &limit);
    if (confab_failed(e)) return e;
    if (t->r->args.after == -1) return read_page_before(t, t->r->args.before == -1 ? INT64_MAX : t->r->args.before, limit);
    e = read_page(t, t->r->args.after, INT64_MAX, limit);
    if (confab_failed(e)) return e;
    size_t n = t->r->result.count;
    t->r->result.more = n > 0 && t->r->result.list.events[n - 1].seq < t->room->last_seq;
    return e;
}
