/* Events of the running transaction, with their bytes, until the commit has announced them. Thread: writer.
 *
 * Its memory is kept from one transaction to the next, up to a bound: given back and taken anew each time, the kernel would have to
 * clear the same pages for every commit. */
#ifndef CONFAB_DB_BATCH_H
#define CONFAB_DB_BATCH_H

#include "confab/event.h"

struct db_batch {
    struct event *events;
    size_t n, cap;
    struct db_chunk *first, *at; /* at: the one being filled; those behind it are empty */
};

/* Where the batch stands, to go back to when a job is undone. */
static inline size_t db_batch_mark(const struct db_batch *b) { return b->n; }
static inline void db_batch_back(struct db_batch *b, size_t mark) { b->n = mark; }
/* Copies the event; its spans are replaced by the copies. false: out of memory, nothing added. */
bool db_batch_add(struct db_batch *b, const struct event *e);
void db_batch_clear(struct db_batch *b); /* keeps some memory */
void db_batch_free(struct db_batch *b);  /* accepts a zeroed one, leaves one */

#endif
