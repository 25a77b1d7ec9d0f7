#include "confab/map.h"

#include <stdlib.h>

static size_t slot_of(const struct map *m, int64_t key)
{
    /* Fibonacci hashing: consecutive ids spread over the table. */
    return (size_t)(((uint64_t)key * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & (m->cap - 1);
}

void map_free(struct map *m)
{
    free(m->slots);
    *m = (struct map){0};
}

/* The slot that holds key, or the free one where it belongs. The table is never full. */
static struct map_slot *find(const struct map *m, int64_t key)
{
    size_t i = slot_of(m, key);
    while (m->slots[i].value && m->slots[i].key != key)
        i = (i + 1) & (m->cap - 1);
    return &m->slots[i];
}

void *map_get(const struct map *m, int64_t key) { return m->cap ? find(m, key)->value : NULL; }

static bool resize(struct map *m, size_t cap)
{
    struct map bigger = {.cap = cap, .len = m->len};
    bigger.slots = calloc(cap, sizeof *bigger.slots);
    if (!bigger.slots) return false;
    for (size_t i = 0; i < m->cap; i++) {
        if (m->slots[i].value) *find(&bigger, m->slots[i].key) = m->slots[i];
    }
    free(m->slots);
    *m = bigger;
    return true;
}

bool map_put(struct map *m, int64_t key, void *value)
{
    if ((m->len + 1) * 4 > m->cap * 3 && !resize(m, m->cap ? m->cap * 2 : 16)) return false;
    struct map_slot *slot = find(m, key);
    if (!slot->value) m->len++;
    *slot = (struct map_slot){key, value};
    return true;
}

void *map_remove(struct map *m, int64_t key)
{
    if (!m->cap) return NULL;
    struct map_slot *slot = find(m, key);
    void *value = slot->value;
    if (!value) return NULL;
    /* Close the gap: move back every later entry of the run that would no longer be found (Knuth 6.4, algorithm R). */
    size_t hole = (size_t)(slot - m->slots);
    for (size_t i = (hole + 1) & (m->cap - 1); m->slots[i].value; i = (i + 1) & (m->cap - 1)) {
        size_t home = slot_of(m, m->slots[i].key);
        if (((i - home) & (m->cap - 1)) >= ((i - hole) & (m->cap - 1))) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole].value = NULL;
    m->len--;
    return value;
}

void *map_next(const struct map *m, size_t *at, int64_t *key)
{
    while (*at < m->cap) {
        const struct map_slot *slot = &m->slots[(*at)++];
        if (slot->value) {
            if (key) *key = slot->key;
            return slot->value;
        }
    }
    return NULL;
}
