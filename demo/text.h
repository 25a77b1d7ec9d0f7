/* text.h: how what people typed into IRC becomes what Confab takes: text, user names and room ids.
 *
 * Thread: any (no state).  Units: bytes. */
#ifndef CONFAB_DEMO_TEXT_H
#define CONFAB_DEMO_TEXT_H

#include "bytes.h"

#include <stdbool.h>
#include <stddef.h>

#define TEXT_NAME_MAX 64 /* a user name or room id, without the NUL */

/* Appends text to *out as valid UTF-8. Each byte that is no part of a well-formed character, and each NUL, becomes
 * U+FFFD; everything else stays as it is, byte for byte. *out_repaired: bytes replaced. Returns false when out of memory. */
bool text_append_repaired(bytes *out, const char *text, size_t len, size_t *out_repaired);

/* Bytes that the text takes inside a JSON string, as peek_escape() writes it. */
size_t text_escaped_len(const char *text, size_t len);

/* Makes a valid user name of a nick. Different nicks give different names: a byte that a name may not contain becomes
 * ~ and two hex digits, and a nick that grows too long ends in ~ and a hash. (No IRC nick contains ~.) Names are told apart
 * without regard to case, so nicks that differ only by case share a user: that is the corpus table's business. */
void text_user_name(const char *nick, size_t len, char out[TEXT_NAME_MAX + 1]);

/* Makes a room id of a file name: without its last extension, lower-cased, other characters than a-z 0-9 . _ - dropped,
 * beginning with a letter or digit. May be equal for different files. */
void text_room_id(const char *file_name, char out[TEXT_NAME_MAX + 1]);

#endif
