/* IRC logs as the public #ubuntu logs write them, line by line. No store in here. Thread: any; nothing keeps state.
 *
 *     [HH:MM] <nick> text                         somebody said something
 *     [HH:MM]  * nick does it                     … as "/me does it"
 *     === nick [user@host]  has joined #channel   somebody came
 *     === nick [user@host]  has left #channel []  … or went
 * Anything else (nick changes, modes, topics, notices) is no event of a room. One space after <nick> belongs to the form; all else is
 * text and stays. */
#ifndef CONFAB_IRC_H
#define CONFAB_IRC_H

#include "confab/buf.h"
#include "confab/event.h"

enum irc_kind { IRC_OTHER, IRC_MESSAGE, IRC_ACTION, IRC_JOINED, IRC_LEFT };

struct irc_line {
    enum irc_kind kind;
    int minute;      /* of the day; -1: the line has no time */
    span nick, text; /* borrow from the line */
};

/* `line` without its line end (a CR before it is dropped here). */
void irc_parse_line(span line, struct irc_line *out);

/* Midnight UTC of the date that the file's base name begins with (YYYY-MM-DD); false: it has none. */
bool irc_date_of_file(const char *path, int64_t *out_ms);

/* Times of a file: minutes of the day, which go on over midnight. A clock that goes back by less than half a day stands still. */
struct irc_clock {
    int64_t day_ms;
    int minute; /* the last one; -1: none yet */
};
int64_t irc_clock_at(struct irc_clock *c, int minute); /* minute -1: as before */

/* A valid user name. What a name may not contain becomes ~ and two hex digits, and a nick that grows too long ends in ~ and a hash, so
 * different nicks give different names (no IRC nick contains ~), but for case: names are unique without regard to it. */
void irc_user_name(span nick, char out[USER_NAME_MAX + 1]);

/* Appends text as valid UTF-8: each byte of no well-formed character, and each NUL, becomes U+FFFD. Returns how many were replaced. */
size_t irc_append_repaired(buf *out, span text);

#endif
