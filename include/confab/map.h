/* A hash map from int64 to pointer: open addressing, linear probing, no tombstones. Not thread-safe; owns nothing it points to. */
#ifndef CONFAB_MAP_H
#define CONFAB_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
    struct map_slot {
        int64_t key;
        void *value; /* NULL: free slot */
    } * slots;
    size_t cap; /* a power of two, or 0 */
    size_t len;
};

void map_free(struct map *m);                          /* accepts an untouched {0}; leaves {0} */
void *map_get(const struct map *m, int64_t key);       /* NULL where there is none */
bool map_put(struct map *m, int64_t key, void *value); /* value != NULL; replaces. false: out of memory, unchanged */
void *map_remove(struct map *m, int64_t key);          /* what was there, or NULL */
/* Walks in no order: `*at` starts at 0; returns the next value or NULL at the end. The map must not change meanwhile. */
void *map_next(const struct map *m, size_t *at, int64_t *key);

#endif
