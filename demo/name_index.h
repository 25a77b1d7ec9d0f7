/* name_index.h: names to the numbers 0, 1, 2 … in the order in which they came. A zeroed one is empty.
 *
 * Ownership: copies the names it is given; name_index_fini() frees them.  Thread: one at a time; look-ups in parallel. */
#ifndef CONFAB_DEMO_NAME_INDEX_H
#define CONFAB_DEMO_NAME_INDEX_H

#include "bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_INDEX_NONE UINT32_MAX

typedef struct name_index {
    bytes names; /* one after the other */
    struct name_slot *slots;
    size_t slot_count; /* a power of two, or 0 */
    uint32_t count;
    bool fold_case; /* ASCII letters are equal without regard to case; set before the first put */
} name_index;

/* The number of a name; where it is new it gets the next one. NAME_INDEX_NONE when out of memory. */
uint32_t name_index_put(name_index *x, const char *name, size_t len, bool *out_added);

/* The number of a name, NAME_INDEX_NONE where it is not known. */
uint32_t name_index_find(const name_index *x, const char *name, size_t len);

void name_index_fini(name_index *x);

#endif
