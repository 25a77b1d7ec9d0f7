/* corpus.h: logged IRC channels, read into rooms, users and lines.
 *
 * A file is a room, a nick is a user, a line somebody spoke is a message. What a line means:
 *     [HH:MM] <nick> text        nick says text
 *     [HH:MM]  * nick does it    nick says "/me does it", as it was typed
 *     anything else              a notice of the log (joins, parts, modes): nobody said it, nobody sends it
 * One space after <nick> belongs to the format, a CR before the LF and a byte-order mark at the start of a file to the file;
 * all else is text and stays, control bytes included. Text is repaired as text.h says.
 * A line with empty text is counted and not sent: Confab takes no empty message. So is one whose text takes more than max_text bytes in
 * a JSON string: it would not fit into a frame.
 *
 * Ownership: a corpus owns everything reachable from it.  Thread: any, once loaded (read only). */
#ifndef CONFAB_DEMO_CORPUS_H
#define CONFAB_DEMO_CORPUS_H

#include "bytes.h"
#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum corpus_kind { CORPUS_NOTICE = 0, CORPUS_SAID, CORPUS_ACTION } corpus_kind;

/* One line of a log, taken apart. Pointers go into the line. */
typedef struct corpus_utterance {
    corpus_kind kind;
    const char *nick; /* never empty where kind is not CORPUS_NOTICE */
    size_t nick_len;
    const char *text;
    size_t text_len;
} corpus_utterance;

/* Takes a line (without its LF) apart. Never fails: what is not understood is a notice. */
corpus_utterance corpus_parse_line(const char *line, size_t len);

typedef struct corpus_line {
    size_t text;   /* offset into corpus.text */
    uint32_t len;  /* bytes, at least 1 */
    uint32_t user; /* index into corpus.users */
} corpus_line;

typedef struct corpus_room {
    char id[TEXT_NAME_MAX + 1];
    size_t first_line; /* its lines are corpus.lines[first_line … +line_count) */
    size_t line_count; /* at least 1 */
    uint32_t *members; /* who speaks in it, ascending; owned */
    size_t member_count;
} corpus_room;

typedef struct corpus_user {
    char name[TEXT_NAME_MAX + 1]; /* as first spelled */
} corpus_user;

typedef struct corpus_counts {
    size_t files;          /* read */
    size_t silent_files;   /* in which nobody speaks: no room */
    size_t raw_lines;      /* in all files */
    size_t notices;        /* not spoken by anybody */
    size_t actions;        /* /me */
    size_t empty_lines;    /* spoken, without text */
    size_t too_long_lines; /* spoken, above max_text */
    size_t repaired_lines; /* with invalid UTF-8 */
    size_t repaired_bytes;
    size_t nicks; /* distinct spellings of those who say something; more than users where only case differs */
    size_t text_bytes;
} corpus_counts;

typedef struct corpus {
    bytes text; /* all lines' text, UTF-8 */
    corpus_line *lines;
    size_t line_count;
    corpus_room *rooms;
    size_t room_count;
    corpus_user *users;
    size_t user_count;
    corpus_counts counts;
    struct corpus_index *index; /* names to users */
} corpus;

#define CORPUS_NO_USER UINT32_MAX

/* Reads the *.txt files of a folder in the order of their names, at most max_files of them (0: all). Returns owned, or NULL with one line
 * in problem[]. */
corpus *corpus_load(const char *folder, size_t max_files, size_t max_text, char *problem, size_t problem_size);

/* Adds one file's content as a room. For corpus_load() and tests. Returns false when out of memory. */
bool corpus_add_file(corpus *c, const char *file_name, const char *content, size_t len, size_t max_text);

corpus *corpus_new(void);    /* empty; NULL when out of memory */
void corpus_free(corpus *c); /* accepts NULL */

/* The user of that name, without regard to case; CORPUS_NO_USER where there is none. */
uint32_t corpus_find_user(const corpus *c, const char *name, size_t len);

static inline const char *corpus_text(const corpus *c, const corpus_line *line) { return c->text.at + line->text; }

#endif
