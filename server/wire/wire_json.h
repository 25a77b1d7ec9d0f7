/* JSON text in: strict RFC 8259 around cJSON. Private to the wire layer.
 *
 * cJSON takes much that is not JSON (control characters as white space, raw ones in strings, "01", "\uZZZZ" as NUL) and its 1.7.15
 * may read one byte past the end of an object that is not closed. So a lexical pass goes first: it checks UTF-8, numbers, escapes, the
 * balance of brackets, depth and size. The tree's memory comes from the caller's arena: no malloc per node, and its strings outlive the
 * tree. Thread: any. */
#ifndef CONFAB_WIRE_JSON_H
#define CONFAB_WIRE_JSON_H

#include <cjson/cJSON.h>

#include "confab/buf.h"
#include "confab/err.h"

#define JSON_DEPTH_MAX 16
#define JSON_VALUES_MAX 256
#define JSON_INT_MAX 9007199254740991 /* 2^53 - 1: every integer up to here survives a double */

/* One object and nothing after it. *out_root borrows from the arena. Errors: INVALID_JSON (out of memory reads as this too: cJSON does
 * not tell them apart); INVALID_FIELD (a NUL in a string, too deep, too many values). */
CONFAB_MUST_CHECK confab_err json_parse_object(span text, arena *a, const cJSON **out_root);

/* The member of that exact name, or NULL; *duplicate is set where there are two. */
const cJSON *json_find(const cJSON *object, const char *name, bool *duplicate);
/* {NULL,0} where v is NULL or not a string. */
span json_string(const cJSON *v);
/* An integer within ±JSON_INT_MAX; false where v is not one. */
bool json_int(const cJSON *v, int64_t *out);

#endif
