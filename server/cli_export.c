/* confab export ROOM: a room's log as JSON lines, each an EVENT of docs/protocol.md. */
#include <stdio.h>

#include "cli.h"
#include "wire.h"

#define PAGE_EVENTS 2000
#define PAGE_BYTES ((size_t)1024 * 1024)

struct page {
    struct store_job job; /* first member */
    const char *slug;
    int64_t room_id, after, last; /* room_id 0: look it up first; last: the log's end when the export began */
    size_t count;
    buf lines;
};

static bool take(void *ctx, const struct event *e)
{
    struct page *p = ctx;
    if (e->seq > p->last) return false; /* came while we were reading */
    wire_encode_event(&p->lines, e);
    buf_append_char(&p->lines, '\n');
    p->after = e->seq;
    p->count++;
    return true;
}

static confab_err run_page(struct store_job *job, store_tx *tx)
{
    struct page *p = (struct page *)job;
    struct room room;
    if (p->room_id == 0) {
        confab_err e = store_room_find(tx, span_of(p->slug), &room);
        if (confab_failed(e)) return e;
        p->room_id = room.id;
        p->last = room.last_seq;
    }
    p->count = 0;
    buf_clear(&p->lines);
    return store_events_after(tx, p->room_id, p->after, PAGE_EVENTS, PAGE_BYTES, take, p);
}

static int export_room(const struct cli_session *s, const char *slug)
{
    struct page p = {.job = {.run = run_page}, .slug = slug};
    struct cli_progress progress;
    int status = CLI_OK;
    cli_progress_init(&progress, "export");
    do {
        confab_err e = store_read_wait(s->store, &p.job);
        if (!confab_failed(e) && p.lines.failed) e = confab_fail(CONFAB_INTERNAL);
        if (confab_failed(e)) {
            cli_progress_end(&progress);
            status = cli_fail(slug, e, NULL);
        } else if (fwrite(buf_cstr(&p.lines), 1, p.lines.len, stdout) != p.lines.len) {
            cli_complain("the output cannot be written");
            status = CLI_FAILED;
        }
        cli_progress_show(&progress, p.after, p.last);
    } while (status == CLI_OK && p.count > 0);
    cli_progress_end(&progress);
    buf_free(&p.lines);
    return status;
}

int cli_export(int argc, char **argv)
{
    const char *format = "jsonl";
    const struct cli_option options[] = {{"--format", &format, NULL}};
    struct cli_args args;
    struct cli_session s;
    if (!cli_parse(argc, argv, options, 1, 1, 1, &args)) return CLI_USAGE;
    if (strcmp(format, "jsonl") != 0) {
        cli_complain("--format is \"%s\"; expected jsonl", format);
        return CLI_USAGE;
    }
    if (!cli_session_open(&s, false)) return CLI_FAILED;
    int status = export_room(&s, args.positional[0]);
    cli_session_close(&s);
    return status;
}
