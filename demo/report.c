/* report.c: see report.h. */
#include "report.h"

#include "progress.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Several numbers in one printf: a ring of buffers, big enough for the longest line below. */
static const char *n(uint64_t value)
{
    static char ring[16][PROGRESS_NUMBER_MAX];
    static unsigned next;
    return progress_number(value, ring[next++ % 16]);
}

static double per_second(uint64_t count, double seconds) { return seconds > 0 ? (double)count / seconds : 0; }

void report_corpus(const corpus *c)
{
    const corpus_counts *k = &c->counts;
    printf("corpus      %s files with %s lines: %s rooms, %s users (%s nicks; those that differ only by case share one)\n", n(k->files),
           n(k->raw_lines), n(c->room_count), n(c->user_count), n(k->nicks));
    printf("to send     %s lines, %s bytes of text; %s of them are /me\n", n(c->line_count), n(k->text_bytes), n(k->actions));
    printf("not sent    %s notices that nobody said (joins, parts, modes); %s lines without text (Confab takes no empty\n"
           "            message); %s too long for a frame\n",
           n(k->notices), n(k->empty_lines), n(k->too_long_lines));
    printf("repaired    %s lines (%s bytes that were not UTF-8 became U+FFFD each)\n", n(k->repaired_lines), n(k->repaired_bytes));
    (void)fflush(stdout);
}

static void print_work(const run *r)
{
    const run_result *e = &r->result;
    const run_stats *s = &r->stats;
    const ledger_counts *k = &e->counts;
    printf("\nsent        %s lines acknowledged in %.1f s: %s lines/s\n", n(k->acked), e->talk_s,
           n((uint64_t)per_second(k->acked, e->talk_s)));
    printf("delivered   %s events to readers in that time: %s deliveries/s, reconnects and restarts included\n", n(e->talk_deliveries),
           n((uint64_t)per_second(e->talk_deliveries, e->talk_s)));
    printf("            with the joining before it %s; %s of them messages (lines times members of their rooms: %s)\n", n(k->deliveries),
           n(k->messages), n(e->expected_messages));
    printf("mishaps     %s planned drops of readers, %s kills of the server, %s reconnects, %s failed attempts\n", n(s->drops), n(s->kills),
           n(s->reconnects), n(s->connect_failures));
    printf("recovery    joins: %s fresh, %s resumed, %s gap, %s epoch_changed; %s events replayed\n", n(s->joins[FRAME_FRESH]),
           n(s->joins[FRAME_RESUMED]), n(s->joins[FRAME_GAP]), n(s->joins[FRAME_EPOCH_CHANGED]), n(s->replayed));
    printf("retries     %s lines sent again, %s answered as duplicates; %s acks and %s joins were overdue; %s error frames\n",
           n(s->resends), n(s->duplicates), n(s->late_acks), n(s->late_joins), n(s->errors));
    printf("time        set-up %.1f s, connecting %.1f s, talking %.1f s, reading back %.1f s\n", e->setup_s, e->connect_s, e->talk_s,
           e->readback_s);
}

static void print_verdict(const run *r)
{
    const run_result *e = &r->result;
    const run_stats *s = &r->stats;
    const ledger_verdict *v = &e->verdict;
    printf("\ncompared    per reader and room, each event: its id with the cursor, and a 64-bit hash of type, author, text and time with\n"
           "            the hash of the first reader's copy; per line, the acknowledged id's event with the corpus (hash of author and "
           "text)\n");
    printf("transcripts lost %s, doubled %s, out of order %s\n", n(v->lost), n(v->doubled), n(v->out_of_order));
    printf("            altered %s, withdrawn %s, stored twice %s, before joined %s, never acknowledged %s\n", n(v->altered),
           n(v->withdrawn), n(v->surplus), n(v->stray), n(v->unacked));
    printf("read back   %s messages through a fresh cursor, byte for byte with the corpus: wrong %s, missing %s, surplus %s, holes in ids "
           "%s\n",
           n(e->readback_lines), n(e->readback_wrong), n(e->readback_missing), n(e->readback_surplus), n(e->readback_holes));
    printf("server      crashes %s, lines refused %s, unreadable frames %s, epoch changes %s, connections closed by it %s, stopped "
           "cleanly: %s\n",
           n(s->crashes), n(s->refused_lines), n(s->unreadable_frames), n(s->epoch_changes), n(s->server_closes),
           e->clean_stop ? "yes" : "no");
    if (e->stalled) {
        printf("stalled     nothing moved for %zu s, so the run was ended\n", r->options->patience_s);
    }
    if (r->problem[0] != '\0') {
        printf("problem     %s\n", r->problem);
    }
    if (r->last_error[0] != '\0') {
        printf("last error  %s\n", r->last_error);
    }
}

void report_print(const run *r)
{
    print_work(r);
    print_verdict(r);
    const char *notes = ledger_notes(r->ledger);
    if (notes[0] != '\0') {
        printf("\nthe first problems:\n%s", notes);
    }
    printf("\n%s\n", r->result.passed ? "PASSED" : "FAILED");
    (void)fflush(stdout);
}

/* ---- JSON: names and numbers only, so nothing needs an escape ---- */

typedef struct json_number {
    const char *name;
    double value;
} json_number;

static void write_numbers(FILE *file, const json_number *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(file, "  \"%s\": %.15g,\n", numbers[i].name, numbers[i].value);
    }
}

#define count_of(array) (sizeof(array) / sizeof((array)[0]))

static void write_work(FILE *file, const run *r)
{
    const run_result *e = &r->result;
    const run_stats *s = &r->stats;
    const corpus_counts *c = &r->corpus->counts;
    const json_number numbers[] = {
        {"files", (double)c->files},
        {"raw_lines", (double)c->raw_lines},
        {"notices", (double)c->notices},
        {"empty_lines", (double)c->empty_lines},
        {"too_long_lines", (double)c->too_long_lines},
        {"repaired_lines", (double)c->repaired_lines},
        {"rooms", (double)r->corpus->room_count},
        {"users", (double)r->corpus->user_count},
        {"nicks", (double)c->nicks},
        {"lines", (double)r->corpus->line_count},
        {"acknowledged", (double)e->counts.acked},
        {"deliveries", (double)e->counts.deliveries},
        {"message_deliveries", (double)e->counts.messages},
        {"expected_message_deliveries", (double)e->expected_messages},
        {"events", (double)e->counts.events},
        {"lines_per_second", per_second(e->counts.acked, e->talk_s)},
        {"talk_deliveries", (double)e->talk_deliveries},
        {"deliveries_per_second", per_second(e->talk_deliveries, e->talk_s)},
        {"setup_seconds", e->setup_s},
        {"connect_seconds", e->connect_s},
        {"talk_seconds", e->talk_s},
        {"readback_seconds", e->readback_s},
        {"drops", (double)s->drops},
        {"kills", (double)s->kills},
        {"reconnects", (double)s->reconnects},
        {"connect_failures", (double)s->connect_failures},
        {"joins_fresh", (double)s->joins[FRAME_FRESH]},
        {"joins_resumed", (double)s->joins[FRAME_RESUMED]},
        {"joins_gap", (double)s->joins[FRAME_GAP]},
        {"joins_epoch_changed", (double)s->joins[FRAME_EPOCH_CHANGED]},
        {"replayed", (double)s->replayed},
        {"resends", (double)s->resends},
        {"duplicates", (double)s->duplicates},
        {"late_acks", (double)s->late_acks},
        {"late_joins", (double)s->late_joins},
        {"errors", (double)s->errors},
    };
    write_numbers(file, numbers, count_of(numbers));
}

static void write_verdict(FILE *file, const run *r)
{
    const run_result *e = &r->result;
    const run_stats *s = &r->stats;
    const ledger_verdict *v = &e->verdict;
    const json_number numbers[] = {
        {"lost", (double)v->lost},
        {"doubled", (double)v->doubled},
        {"out_of_order", (double)v->out_of_order},
        {"altered", (double)v->altered},
        {"withdrawn", (double)v->withdrawn},
        {"stored_twice", (double)v->surplus},
        {"before_joined", (double)v->stray},
        {"unacknowledged", (double)v->unacked},
        {"readback_lines", (double)e->readback_lines},
        {"readback_wrong", (double)e->readback_wrong},
        {"readback_missing", (double)e->readback_missing},
        {"readback_surplus", (double)e->readback_surplus},
        {"readback_holes", (double)e->readback_holes},
        {"crashes", (double)s->crashes},
        {"refused_lines", (double)s->refused_lines},
        {"unreadable_frames", (double)s->unreadable_frames},
        {"epoch_changes", (double)s->epoch_changes},
        {"server_closes", (double)s->server_closes},
    };
    write_numbers(file, numbers, count_of(numbers));
}

bool report_write_json(const run *r, const char *path)
{
    FILE *file = fopen(path, "we");
    bool written = file != NULL;
    if (written) {
        (void)fprintf(file, "{\n  \"seed\": %" PRIu64 ",\n", r->options->seed);
        write_work(file, r);
        write_verdict(file, r);
        (void)fprintf(file, "  \"stalled\": %s,\n  \"clean_stop\": %s,\n  \"passed\": %s\n}\n", r->result.stalled ? "true" : "false",
                      r->result.clean_stop ? "true" : "false", r->result.passed ? "true" : "false");
        written = ferror(file) == 0;
        written = fclose(file) == 0 && written;
    }
    if (!written) {
        (void)fprintf(stderr, "confab-demo: cannot write %s: %s\n", path, strerror(errno));
    }
    return written;
}
