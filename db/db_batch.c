#include "db_batch.h"

#include <stdlib.h>

enum { CHUNK_BYTES = 256 * 1024, KEPT_EVENTS = 8192, KEPT_CHUNKS = 8 };

struct db_chunk {
    struct db_chunk *next;
    size_t used, size;
    char data[];
};

/* n bytes that stay where they are until clear. */
static char *take(struct db_batch *b, size_t n)
{
    while (b->at && b->at->size - b->at->used < n && b->at->next)
        b->at = b->at->next;
    if (!b->at || b->at->size - b->at->used < n) {
        size_t size = n > CHUNK_BYTES ? n : CHUNK_BYTES;
        struct db_chunk *c = malloc(sizeof *c + size);
        if (!c) return NULL;
        *c = (struct db_chunk){.size = size};
        if (b->at)
            b->at->next = c;
        else
            b->first = c;
        b->at = c;
    }
    char *p = b->at->data + b->at->used;
    b->at->used += n;
    return p;
}

static char *put(char *at, span s, span *kept)
{
    *kept = (span){0};
    if (!s.p) return at;
    if (s.n) memcpy(at, s.p, s.n);
    *kept = (span){at, s.n};
    return at + s.n;
}

bool db_batch_add(struct db_batch *b, const struct event *e)
{
    if (b->n == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 256;
        struct event *events = realloc(b->events, cap * sizeof *events);
        if (!events) return false;
        b->events = events;
        b->cap = cap;
    }
    char *at = take(b, e->room.n + e->actor.n + e->subject.n + e->text.n + e->client_id.n + 1); /* never NULL for "nothing" */
    if (!at) return false;
    struct event *kept = &b->events[b->n++];
    *kept = *e;
    at = put(at, e->room, &kept->room);
    at = put(at, e->actor, &kept->actor);
    at = put(at, e->subject, &kept->subject);
    at = put(at, e->text, &kept->text);
    (void)put(at, e->client_id, &kept->client_id);
    return true;
}

static void free_chunks(struct db_chunk *c)
{
    while (c) {
        struct db_chunk *next = c->next;
        free(c);
        c = next;
    }
}

void db_batch_clear(struct db_batch *b)
{
    b->n = 0;
    b->at = b->first;
    int kept = 0;
    for (struct db_chunk *c = b->first; c; c = c->next) {
        c->used = 0;
        if (++kept == KEPT_CHUNKS || c->size > CHUNK_BYTES) {
            free_chunks(c->next);
            c->next = NULL;
        }
    }
    if (b->first && b->first->size > CHUNK_BYTES) { /* one huge message is not worth keeping */
        free_chunks(b->first);
        b->first = b->at = NULL;
    }
    if (b->cap > KEPT_EVENTS) {
        free(b->events);
        b->events = NULL;
        b->cap = 0;
    }
}

void db_batch_free(struct db_batch *b)
{
    free_chunks(b->first);
    free(b->events);
    *b = (struct db_batch){0};
}
