/* confab import --format irc …: logged channels become a room's log.
 *
 * A line gives the same event whatever else is imported beside it, and carries a client_id of its own (file name and line number): a
 * repeated import finds every event there already and adds nothing. Speakers get accounts without a password on the way. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "cli.h"
#include "irc.h"

#define LINES_PER_JOB 1000

/* A nick as it was spelled, and the account it stands for. */
struct speaker {
    char name[USER_NAME_MAX + 1];    /* valid name, spelled as the nick is */
    char account[USER_NAME_MAX + 1]; /* as the account is spelled */
    int64_t user_id;
    bool renamed, other_case;
};

struct import {
    struct cli_session session;
    int64_t room_id;
    const char *room;
    struct cli_progress progress;
    int64_t bytes_done, bytes_total;
    struct speaker *speakers; /* open hash table of `cap` places, a power of two */
    size_t cap, count;
    int64_t messages, joins, leaves, known, others, empty, too_long, repaired_lines, repaired_bytes, accounts;
};

/* One event to be, in a batch. */
struct entry {
    struct irc_line line;
    int64_t at_ms;
    size_t speaker_name; /* offsets into the batch's text */
    size_t text, text_size, client_id;
};

struct batch {
    struct store_job job; /* first member */
    struct import *im;
    struct entry entries[LINES_PER_JOB];
    size_t count;
    buf text;
};

/* ---- speakers ---- */

static size_t place_of(const struct import *im, const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    size_t i = hash & (im->cap - 1);
    while (im->speakers[i].user_id != 0 && strcmp(im->speakers[i].name, name) != 0)
        i = (i + 1) & (im->cap - 1);
    return i;
}

static bool make_room(struct import *im)
{
    if (im->cap && im->count < im->cap / 2) return true;
    struct import wider = {.cap = im->cap ? im->cap * 2 : 1024};
    wider.speakers = calloc(wider.cap, sizeof *wider.speakers);
    if (!wider.speakers) return false;
    for (size_t i = 0; i < im->cap; i++) {
        if (im->speakers[i].user_id != 0) wider.speakers[place_of(&wider, im->speakers[i].name)] = im->speakers[i];
    }
    free(im->speakers);
    im->speakers = wider.speakers;
    im->cap = wider.cap;
    return true;
}

/* The account of a name; made where there is none. The display name is the nick as it was spelled first. */
static confab_err find_account(struct import *im, store_tx *tx, const char *name, span nick, struct user *out)
{
    buf display = {0};
    confab_err e = store_user_find(tx, span_of(name), out);
    if (e.code != CONFAB_USER_NOT_FOUND) return e;
    (void)irc_append_repaired(&display, nick.n <= 40 ? nick : span_of(name)); /* a repaired byte takes three */
    const struct user_new fresh = {.name = span_of(name), .display_name = buf_span(&display), .role = USER_MEMBER};
    e = display.failed ? confab_fail(CONFAB_INTERNAL) : store_user_create(tx, &fresh, out);
    if (!confab_failed(e)) im->accounts++;
    buf_free(&display);
    return e;
}

static confab_err find_speaker(struct import *im, store_tx *tx, const char *name, span nick, const struct speaker **out)
{
    struct user user;
    if (!make_room(im)) return confab_fail(CONFAB_INTERNAL);
    struct speaker *s = &im->speakers[place_of(im, name)];
    if (s->user_id == 0) {
        confab_err e = find_account(im, tx, name, nick, &user);
        if (confab_failed(e)) return e;
        (void)span_copy(span_of(name), s->name, sizeof s->name); /* both have USER_NAME_MAX */
        (void)span_copy(span_of(user.name), s->account, sizeof s->account);
        s->user_id = user.id;
        s->renamed = !span_is(nick, name);
        s->other_case = strcmp(user.name, name) != 0;
        im->count++;
    }
    *out = s;
    return confab_ok();
}

/* ---- writing ---- */

static confab_err write_entry(struct batch *b, store_tx *tx, const struct entry *at)
{
    struct import *im = b->im;
    const struct speaker *speaker = NULL;
    const char *text = buf_cstr(&b->text);
    bool spoken = at->line.kind == IRC_MESSAGE || at->line.kind == IRC_ACTION, joined = at->line.kind == IRC_JOINED, duplicate = false;
    confab_err e = find_speaker(im, tx, text + at->speaker_name, at->line.nick, &speaker);
    if (confab_failed(e)) return e;
    struct event event = {.room_id = im->room_id,
                          .at_ms = at->at_ms,
                          .actor_id = speaker->user_id,
                          .kind = spoken   ? EVENT_MESSAGE
                                  : joined ? EVENT_MEMBER_JOINED
                                           : EVENT_MEMBER_LEFT,
                          .room = span_of(im->room),
                          .actor = span_of(speaker->account),
                          .client_id = span_of(text + at->client_id)};
    if (spoken) {
        event.text = (span){text + at->text, at->text_size};
    } else {
        event.subject_id = speaker->user_id;
        event.subject = event.actor;
        event.role = joined ? MEMBER_MEMBER : MEMBER_NONE;
    }
    e = store_event_import(tx, &event, &duplicate);
    if (confab_failed(e)) return e;
    if (duplicate)
        im->known++;
    else if (spoken)
        im->messages++;
    else if (joined)
        im->joins++;
    else
        im->leaves++;
    if (duplicate || spoken) return e;
    return joined ? store_member_put(tx, im->room_id, speaker->user_id, MEMBER_MEMBER)
                  : store_member_remove(tx, im->room_id, speaker->user_id);
}

static confab_err run_batch(struct store_job *job, store_tx *tx)
{
    struct batch *b = (struct batch *)job;
    for (size_t i = 0; i < b->count; i++) {
        confab_err e = write_entry(b, tx, &b->entries[i]);
        if (confab_failed(e)) return e;
    }
    return confab_ok();
}

static confab_err flush(struct batch *b)
{
    if (b->count == 0) return confab_ok();
    if (b->text.failed) return confab_fail(CONFAB_INTERNAL);
    confab_err e = store_write_wait(b->im->session.store, &b->job);
    b->count = 0;
    buf_clear(&b->text);
    cli_progress_show(&b->im->progress, b->im->bytes_done, b->im->bytes_total);
    return e;
}

/* ---- reading ---- */

/* "2004-11-15_03.txt:17"; a name that is too long for a client_id is hashed. */
static void append_client_id(buf *out, const char *path, int64_t line)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (strlen(name) <= CLIENT_ID_MAX - 12) {
        buf_printf(out, "%s:%lld", name, (long long)line);
    } else {
        unsigned char hash[crypto_generichash_BYTES_MIN];
        char hex[2 * sizeof hash + 1];
        (void)crypto_generichash(hash, sizeof hash, (const unsigned char *)name, strlen(name), NULL, 0); /* fails for wrong sizes only */
        buf_printf(out, "%s:%lld", sodium_bin2hex(hex, sizeof hex, hash, sizeof hash), (long long)line);
    }
    buf_append_char(out, '\0');
}

/* Adds the text of a spoken line. False: there is nothing to send. */
static bool add_text(struct batch *b, struct entry *at)
{
    struct import *im = b->im;
    at->text = b->text.len;
    if (at->line.text.n == 0) {
        im->empty++;
        return false;
    }
    if (at->line.kind == IRC_ACTION) buf_append_str(&b->text, "/me ");
    size_t replaced = irc_append_repaired(&b->text, at->line.text);
    at->text_size = b->text.len - at->text;
    buf_append_char(&b->text, '\0');
    if ((int64_t)at->text_size > im->session.settings.max_message_bytes) {
        im->too_long++;
        return false;
    }
    im->repaired_bytes += (int64_t)replaced;
    im->repaired_lines += replaced > 0;
    return true;
}

static void add_line(struct batch *b, span line, struct irc_clock *clock, const char *path, int64_t number)
{
    struct entry *at = &b->entries[b->count];
    char name[USER_NAME_MAX + 1];
    irc_parse_line(line, &at->line);
    at->at_ms = irc_clock_at(clock, at->line.minute);
    if (at->line.kind == IRC_OTHER) {
        b->im->others++;
        return;
    }
    bool spoken = at->line.kind == IRC_MESSAGE || at->line.kind == IRC_ACTION;
    if (spoken && !add_text(b, at)) return;
    irc_user_name(at->line.nick, name);
    at->speaker_name = b->text.len;
    buf_append(&b->text, name, strlen(name) + 1);
    at->client_id = b->text.len;
    append_client_id(&b->text, path, number);
    b->count++;
}

static confab_err read_text(struct batch *b, span content, struct irc_clock *clock, const char *path)
{
    if (content.n >= 3 && memcmp(content.p, "\xEF\xBB\xBF", 3) == 0) content = (span){content.p + 3, content.n - 3};
    for (int64_t number = 1; content.n > 0; number++) {
        const char *end = memchr(content.p, '\n', content.n);
        size_t n = end ? (size_t)(end - content.p) : content.n, used = end ? n + 1 : n;
        add_line(b, (span){content.p, n}, clock, path, number);
        b->im->bytes_done += (int64_t)used;
        content = (span){content.p + used, content.n - used};
        confab_err e = b->count == LINES_PER_JOB ? flush(b) : confab_ok();
        if (confab_failed(e)) return e;
    }
    return flush(b);
}

static bool read_whole(const char *path, buf *out)
{
    char piece[65536];
    FILE *f = fopen(path, "rbe");
    if (!f) return false;
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        buf_append(out, piece, n);
    bool ok = !ferror(f) && !out->failed;
    (void)fclose(f); /* opened for reading: nothing can be lost */
    return ok;
}

static bool import_file(struct batch *b, const char *path)
{
    struct irc_clock clock = {.minute = -1};
    buf content = {0};
    bool ok = false;
    (void)irc_date_of_file(path, &clock.day_ms); /* was checked before the first file */
    if (!read_whole(path, &content)) {
        cli_complain("%s: cannot be read", path);
    } else {
        confab_err e = read_text(b, buf_span(&content), &clock, path);
        ok = !confab_failed(e);
        if (!ok) (void)cli_fail(path, e, NULL);
    }
    buf_free(&content);
    return ok;
}

/* ---- the command ---- */

static bool check_names(const struct cli_args *args)
{
    int64_t day;
    for (int i = 0; i < args->count; i++) {
        if (irc_date_of_file(args->positional[i], &day)) continue;
        cli_complain("%s: the file's name must begin with its date, YYYY-MM-DD; nothing was imported", args->positional[i]);
        return false;
    }
    return true;
}

static bool enter_room(struct import *im)
{
    struct chat_request *r = cli_request(&im->session, CHAT_GET_ROOM);
    if (!r) return false;
    r->args.room = span_of(im->room);
    confab_err e = chat_call(im->session.chat, r);
    if (e.code == CONFAB_ROOM_NOT_FOUND) {
        chat_request_free(r);
        r = cli_request(&im->session, CHAT_CREATE_ROOM);
        if (!r) return false;
        r->args.room = span_of(im->room);
        e = chat_call(im->session.chat, r);
    }
    im->room_id = r->result.room.room.id;
    chat_request_free(r);
    if (confab_failed(e)) (void)cli_fail(im->room, e, NULL);
    return !confab_failed(e);
}

static void report_speakers(const struct import *im)
{
    size_t renamed = 0, other_case = 0, shown = 0;
    for (size_t i = 0; i < im->cap; i++) {
        renamed += im->speakers[i].user_id != 0 && im->speakers[i].renamed;
        other_case += im->speakers[i].user_id != 0 && im->speakers[i].other_case;
    }
    if (renamed) (void)printf("%zu nicks are no valid names and were spelled with ~ and hex digits\n", renamed);
    if (!other_case) return;
    (void)printf("%zu spellings differ from an account by case only and stand for it:", other_case);
    for (size_t i = 0; i < im->cap && shown < 5; i++) {
        if (im->speakers[i].user_id == 0 || !im->speakers[i].other_case) continue;
        (void)printf("%s %s (%s)", shown++ ? "," : "", im->speakers[i].name, im->speakers[i].account);
    }
    (void)printf("%s\n", other_case > shown ? ", …" : "");
}

static void report(const struct import *im, int files)
{
    (void)printf("%s: %lld messages, %lld joins, %lld leaves from %d files; %lld were there already\n", im->room, (long long)im->messages,
                 (long long)im->joins, (long long)im->leaves, files, (long long)im->known);
    (void)printf("accounts made %lld, nicks %zu; lines that are no event %lld, without text %lld, too long %lld\n", (long long)im->accounts,
                 im->count, (long long)im->others, (long long)im->empty, (long long)im->too_long);
    (void)printf("invalid UTF-8: %lld bytes in %lld lines became U+FFFD\n", (long long)im->repaired_bytes, (long long)im->repaired_lines);
    report_speakers(im);
}

static int64_t size_of(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 ? (int64_t)s.st_size : 0;
}

static int run_import(struct import *im, const struct cli_args *args)
{
    struct batch *b = calloc(1, sizeof *b);
    bool ok = b != NULL;
    if (!ok) cli_complain("out of memory");
    cli_progress_init(&im->progress, "import");
    for (int i = 0; i < args->count; i++)
        im->bytes_total += size_of(args->positional[i]);
    if (ok) {
        b->job.run = run_batch;
        b->job.atomic = true;
        b->im = im;
    }
    for (int i = 0; ok && i < args->count; i++)
        ok = import_file(b, args->positional[i]);
    cli_progress_end(&im->progress);
    if (ok) report(im, args->count);
    if (b) buf_free(&b->text);
    free(b);
    return ok ? CLI_OK : CLI_FAILED;
}

int cli_import(int argc, char **argv)
{
    const char *format = NULL, *room = NULL;
    const struct cli_option options[] = {{"--format", &format, NULL}, {"--room", &room, NULL}};
    struct cli_args args;
    struct import im = {0};
    int status = CLI_FAILED;
    if (!cli_parse(argc, argv, options, 2, 1, -1, &args)) return CLI_USAGE;
    if (!format || strcmp(format, "irc") != 0)
        cli_complain("--format irc is required");
    else if (!room || !room_slug_is_valid(span_of(room)))
        cli_complain("--room must be a room id: a-z 0-9 . _ -, the first a letter or digit");
    else
        status = CLI_OK;
    if (status != CLI_OK || !check_names(&args)) return CLI_USAGE;
    im.room = room;
    status = CLI_FAILED;
    if (cli_session_open(&im.session, true) && enter_room(&im)) status = run_import(&im, &args);
    cli_session_close(&im.session);
    free(im.speakers);
    return status;
}
