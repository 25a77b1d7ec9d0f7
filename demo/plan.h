/* plan.h: when readers drop and when the server is killed, fixed by the seed before the run begins.
 *
 * Moments are counted in acknowledged lines, so that they spread over the work whatever the machine's speed.
 *
 * Ownership: a plan owns its arrays.  Thread: any (no state). */
#ifndef CONFAB_DEMO_PLAN_H
#define CONFAB_DEMO_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct plan_drop {
    size_t at_line;   /* due when so many lines are acknowledged */
    uint32_t user;    /* who drops */
    uint32_t away_ms; /* how long they stay away */
    bool polite;      /* with a close frame; else the connection just breaks */
} plan_drop;

typedef struct plan_kill {
    size_t at_line;
    uint32_t delay_ms; /* after that, so that it does not always strike right after an ack */
} plan_kill;

typedef struct plan {
    plan_drop *drops; /* by at_line */
    size_t drop_count;
    plan_kill *kills; /* by at_line */
    size_t kill_count;
} plan;

#define PLAN_DROPPING_PERCENT 20u
#define PLAN_DROPS_MAX 3u /* a reader that drops does so one to three times */

/* Makes a plan. `kills` are spread over the run: one at a random moment of each of as many equal parts.
 * Returns false when out of memory. */
bool plan_make(plan *out, uint64_t seed, size_t users, size_t lines, size_t kills);
void plan_free(plan *p);

#endif
