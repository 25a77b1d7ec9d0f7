/* name_index.c: open addressing, at most half full. See name_index.h. */
#include "name_index.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct name_slot {
    uint64_t hash;
    size_t at; /* offset into names */
    uint32_t len;
    uint32_t number_plus_1; /* 0: free */
};

static unsigned char fold(const name_index *x, char c)
{
    return x->fold_case && c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : (unsigned char)c;
}

static uint64_t hash_name(const name_index *x, const char *name, size_t len)
{
    uint64_t h = UINT64_C(0xCBF29CE484222325); /* FNV-1a: names are short, and each byte must be folded anyway */
    for (size_t i = 0; i < len; i++) {
        h = (h ^ fold(x, name[i])) * UINT64_C(0x100000001B3);
    }
    return h;
}

static bool is_name(const name_index *x, const struct name_slot *slot, uint64_t hash, const char *name, size_t len)
{
    if (slot->hash != hash || slot->len != len) {
        return false;
    }
    const char *known = x->names.at + slot->at;
    for (size_t i = 0; i < len; i++) {
        if (fold(x, known[i]) != fold(x, name[i])) {
            return false;
        }
    }
    return true;
}

/* The slot that holds the name, or the free one where it belongs. */
static struct name_slot *find_slot(const name_index *x, uint64_t hash, const char *name, size_t len)
{
    size_t i = (size_t)hash & (x->slot_count - 1);
    while (x->slots[i].number_plus_1 != 0 && !is_name(x, &x->slots[i], hash, name, len)) {
        i = (i + 1) & (x->slot_count - 1);
    }
    return &x->slots[i];
}

static bool grow(name_index *x)
{
    const size_t slot_count = x->slot_count == 0 ? 64 : x->slot_count * 2;
    struct name_slot *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < x->slot_count; i++) {
        if (x->slots[i].number_plus_1 != 0) {
            size_t k = (size_t)x->slots[i].hash & (slot_count - 1);
            while (slots[k].number_plus_1 != 0) {
                k = (k + 1) & (slot_count - 1);
            }
            slots[k] = x->slots[i];
        }
    }
    free(x->slots);
    x->slots = slots;
    x->slot_count = slot_count;
    return true;
}

uint32_t name_index_put(name_index *x, const char *name, size_t len, bool *out_added)
{
    *out_added = false;
    if (((size_t)x->count + 1) * 2 > x->slot_count && !grow(x)) {
        return NAME_INDEX_NONE;
    }
    const uint64_t hash = hash_name(x, name, len);
    struct name_slot *slot = find_slot(x, hash, name, len);
    if (slot->number_plus_1 == 0) {
        const size_t at = x->names.len;
        if (!bytes_append(&x->names, name, len)) {
            return NAME_INDEX_NONE;
        }
        *slot = (struct name_slot){.hash = hash, .at = at, .len = (uint32_t)len, .number_plus_1 = ++x->count};
        *out_added = true;
    }
    return slot->number_plus_1 - 1;
}

uint32_t name_index_find(const name_index *x, const char *name, size_t len)
{
    if (x->count == 0) {
        return NAME_INDEX_NONE;
    }
    const struct name_slot *slot = find_slot(x, hash_name(x, name, len), name, len);
    return slot->number_plus_1 == 0 ? NAME_INDEX_NONE : slot->number_plus_1 - 1;
}

void name_index_fini(name_index *x)
{
    bytes_fini(&x->names);
    free(x->slots);
    *x = (name_index){0};
}
