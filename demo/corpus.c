/* corpus.c: see corpus.h. */
#include "corpus.h"

#include "hash.h"
#include "name_index.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- one line ---- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* `[HH:MM] ` and at least one byte more. */
static bool has_time(const char *line, size_t len)
{
    return len > 8 && line[0] == '[' && is_digit(line[1]) && is_digit(line[2]) && line[3] == ':' && is_digit(line[4]) &&
           is_digit(line[5]) && line[6] == ']' && line[7] == ' ';
}

static corpus_utterance parse_said(const char *at, const char *end)
{
    corpus_utterance u = {.kind = CORPUS_NOTICE};
    const char *close = memchr(at, '>', (size_t)(end - at));
    if (close == NULL || close == at) {
        return u;
    }
    u.kind = CORPUS_SAID;
    u.nick = at;
    u.nick_len = (size_t)(close - at);
    u.text = close + 1;
    if (u.text < end && *u.text == ' ') {
        u.text++;
    }
    u.text_len = (size_t)(end - u.text);
    return u;
}

static corpus_utterance parse_action(const char *at, const char *end)
{
    corpus_utterance u = {.kind = CORPUS_NOTICE};
    const char *space = memchr(at, ' ', (size_t)(end - at));
    const char *nick_end = space != NULL ? space : end;
    if (nick_end == at) {
        return u;
    }
    u.kind = CORPUS_ACTION;
    u.nick = at;
    u.nick_len = (size_t)(nick_end - at);
    u.text = space != NULL ? space + 1 : end;
    u.text_len = (size_t)(end - u.text);
    return u;
}

corpus_utterance corpus_parse_line(const char *line, size_t len)
{
    const corpus_utterance notice = {.kind = CORPUS_NOTICE};
    if (!has_time(line, len)) {
        return notice;
    }
    const char *at = line + 8;
    const char *end = line + len;
    if (*at == '<') {
        return parse_said(at + 1, end);
    }
    while (at < end && *at == ' ') {
        at++;
    }
    if (end - at > 2 && at[0] == '*' && at[1] == ' ') {
        return parse_action(at + 2, end);
    }
    return notice;
}

/* ---- the table of users ---- */

struct corpus_index {
    name_index users; /* by name */
    name_index nicks; /* by spelling; only to count them */
};

uint32_t corpus_find_user(const corpus *c, const char *name, size_t len) { return name_index_find(&c->index->users, name, len); }

/* The user who goes by that nick, made where new. CORPUS_NO_USER when out of memory. */
static uint32_t user_of_nick(corpus *c, const char *nick, size_t len)
{
    char name[TEXT_NAME_MAX + 1];
    bool added = false;
    text_user_name(nick, len, name);
    if (name_index_put(&c->index->nicks, name, strlen(name), &added) == NAME_INDEX_NONE) {
        return CORPUS_NO_USER;
    }
    c->counts.nicks += added;
    const uint32_t user = name_index_put(&c->index->users, name, strlen(name), &added);
    if (user == NAME_INDEX_NONE || !added) {
        return user;
    }
    if ((c->user_count & (c->user_count - 1)) == 0) { /* full at each power of two */
        const size_t cap = c->user_count == 0 ? 1 : c->user_count * 2;
        corpus_user *users = realloc(c->users, cap * sizeof *users);
        if (users == NULL) {
            return CORPUS_NO_USER;
        }
        c->users = users;
    }
    memcpy(c->users[c->user_count++].name, name, sizeof name);
    return user;
}

/* ---- a file ---- */

static bool add_line(corpus *c, const corpus_utterance *u, size_t max_text)
{
    const size_t start = c->text.len;
    size_t repaired = 0;
    if ((u->kind == CORPUS_ACTION && !bytes_append(&c->text, u->text_len > 0 ? "/me " : "/me", u->text_len > 0 ? 4 : 3)) ||
        !text_append_repaired(&c->text, u->text, u->text_len, &repaired)) {
        return false;
    }
    const size_t len = c->text.len - start;
    if (len == 0 || text_escaped_len(c->text.at + start, len) > max_text) {
        c->text.len = start;
        c->counts.empty_lines += len == 0;
        c->counts.too_long_lines += len > 0;
        return true;
    }
    const uint32_t user = user_of_nick(c, u->nick, u->nick_len);
    if (user == CORPUS_NO_USER) {
        return false;
    }
    if ((c->line_count & (c->line_count - 1)) == 0) {
        const size_t cap = c->line_count == 0 ? 1 : c->line_count * 2;
        corpus_line *lines = realloc(c->lines, cap * sizeof *lines);
        if (lines == NULL) {
            return false;
        }
        c->lines = lines;
    }
    c->lines[c->line_count++] = (corpus_line){.text = start, .len = (uint32_t)len, .user = user};
    c->counts.actions += u->kind == CORPUS_ACTION;
    c->counts.repaired_lines += repaired > 0;
    c->counts.repaired_bytes += repaired;
    c->counts.text_bytes += len;
    return true;
}

static bool add_lines(corpus *c, const char *content, size_t len, size_t max_text)
{
    const char *at = content;
    const char *end = content + len;
    if (len >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0) {
        at += 3;
    }
    while (at < end) {
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = lf != NULL ? lf : end;
        size_t line_len = (size_t)(line_end - at);
        if (line_len > 0 && lf != NULL && at[line_len - 1] == '\r') {
            line_len--;
        }
        const corpus_utterance u = corpus_parse_line(at, line_len);
        c->counts.raw_lines++;
        c->counts.notices += u.kind == CORPUS_NOTICE;
        if (u.kind != CORPUS_NOTICE && !add_line(c, &u, max_text)) {
            return false;
        }
        at = lf != NULL ? lf + 1 : end;
    }
    return true;
}

static int compare_u32(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool find_members(const corpus *c, corpus_room *room)
{
    room->members = malloc(room->line_count * sizeof *room->members);
    if (room->members == NULL) {
        return false;
    }
    for (size_t i = 0; i < room->line_count; i++) {
        room->members[i] = c->lines[room->first_line + i].user;
    }
    qsort(room->members, room->line_count, sizeof *room->members, compare_u32);
    size_t n = 0;
    for (size_t i = 0; i < room->line_count; i++) {
        if (n == 0 || room->members[n - 1] != room->members[i]) {
            room->members[n++] = room->members[i];
        }
    }
    room->member_count = n;
    return true;
}

static bool room_id_is_taken(const corpus *c, const char *id)
{
    for (size_t i = 0; i < c->room_count; i++) {
        if (strcmp(c->rooms[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

/* The file's room id; where another file has it already, with a number behind. */
static void choose_room_id(const corpus *c, const char *file_name, char id[TEXT_NAME_MAX + 1])
{
    text_room_id(file_name, id);
    const size_t len = strlen(id);
    for (unsigned n = 2; room_id_is_taken(c, id); n++) {
        char suffix[16];
        const int suffix_len = snprintf(suffix, sizeof suffix, "-%u", n);
        const size_t keep = len + (size_t)suffix_len <= TEXT_NAME_MAX ? len : TEXT_NAME_MAX - (size_t)suffix_len;
        memcpy(id + keep, suffix, (size_t)suffix_len + 1);
    }
}

bool corpus_add_file(corpus *c, const char *file_name, const char *content, size_t len, size_t max_text)
{
    corpus_room room = {.first_line = c->line_count};
    c->counts.files++;
    if (!add_lines(c, content, len, max_text)) {
        return false;
    }
    room.line_count = c->line_count - room.first_line;
    if (room.line_count == 0) {
        c->counts.silent_files++;
        return true;
    }
    choose_room_id(c, file_name, room.id);
    corpus_room *rooms = realloc(c->rooms, (c->room_count + 1) * sizeof *rooms);
    if (rooms == NULL) {
        return false;
    }
    c->rooms = rooms;
    if (!find_members(c, &room)) {
        return false;
    }
    c->rooms[c->room_count++] = room;
    return true;
}

/* ---- a folder ---- */

static int is_log(const struct dirent *entry)
{
    const size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 4 && strcmp(entry->d_name + len - 4, ".txt") == 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); /* not alphasort(): the locale must not change the order */
}

/* Reads a whole file to the end of *out. Returns false with errno set. */
static bool read_file(const char *path, bytes *out)
{
    bool done = false;
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return false;
    }
    for (;;) {
        if (!bytes_reserve(out, 65536)) {
            errno = ENOMEM;
            break;
        }
        const size_t n = fread(out->at + out->len, 1, 65536, file);
        out->len += n;
        if (n == 0) {
            done = ferror(file) == 0;
            break;
        }
    }
    const int error = errno;
    (void)fclose(file); /* only read from */
    errno = error;
    return done;
}

static bool load_file(corpus *c, const char *folder, const char *name, size_t max_text, char *problem, size_t problem_size)
{
    char path[4096];
    bytes content = {0};
    bool done = false;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path) {
        (void)snprintf(problem, problem_size, "path too long: %s/%s", folder, name);
    } else if (!read_file(path, &content)) {
        (void)snprintf(problem, problem_size, "cannot read %s: %s", path, strerror(errno));
    } else if (!corpus_add_file(c, name, content.at != NULL ? content.at : "", content.len, max_text)) {
        (void)snprintf(problem, problem_size, "out of memory at %s", path);
    } else {
        done = true;
    }
    bytes_fini(&content);
    return done;
}

corpus *corpus_load(const char *folder, size_t max_files, size_t max_text, char *problem, size_t problem_size)
{
    struct dirent **entries = NULL;
    corpus *c = NULL;
    bool done = false;
    const int count = scandir(folder, &entries, is_log, compare_names);
    if (count < 0) {
        (void)snprintf(problem, problem_size, "cannot read the folder %s: %s", folder, strerror(errno));
        return NULL;
    }
    c = corpus_new();
    if (c == NULL) {
        (void)snprintf(problem, problem_size, "out of memory");
        goto out;
    }
    for (int i = 0; i < count && (max_files == 0 || c->counts.files < max_files); i++) {
        if (!load_file(c, folder, entries[i]->d_name, max_text, problem, problem_size)) {
            goto out;
        }
    }
    if (c->room_count == 0) {
        (void)snprintf(problem, problem_size, "nobody speaks in the *.txt files of %s", folder);
        goto out;
    }
    done = true;
out:
    for (int i = 0; i < count; i++) {
        free(entries[i]);
    }
    free(entries);
    if (!done) {
        corpus_free(c);
        c = NULL;
    }
    return c;
}

corpus *corpus_new(void)
{
    corpus *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->index = calloc(1, sizeof *c->index);
    if (c->index == NULL) {
        free(c);
        return NULL;
    }
    c->index->users.fold_case = true;
    return c;
}

void corpus_free(corpus *c)
{
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < c->room_count; i++) {
        free(c->rooms[i].members);
    }
    name_index_fini(&c->index->users);
    name_index_fini(&c->index->nicks);
    free(c->index);
    free(c->rooms);
    free(c->users);
    free(c->lines);
    bytes_fini(&c->text);
    free(c);
}
