/* plan.c: see plan.h. */
#include "plan.h"

#include "random.h"

#include <stdlib.h>

enum {
    AWAY_MIN_MS = 20,
    AWAY_SPAN_MS = 2000,
    KILL_DELAY_MS = 40,
};

static int compare_drops(const void *a, const void *b)
{
    const plan_drop *x = a;
    const plan_drop *y = b;
    if (x->at_line != y->at_line) {
        return x->at_line < y->at_line ? -1 : 1;
    }
    return (x->user > y->user) - (x->user < y->user); /* qsort() is not stable, and a seed must give one plan */
}

/* Chooses exactly the percentage of the users (rounded up), each with the same chance (selection sampling). */
static void choose_drops(plan *p, uint64_t *random, size_t users, size_t lines)
{
    size_t wanted = (users * PLAN_DROPPING_PERCENT + 99) / 100;
    for (size_t user = 0; user < users && wanted > 0; user++) {
        if (random_below(random, users - user) >= wanted) {
            continue;
        }
        wanted--;
        const uint64_t times = 1 + random_below(random, PLAN_DROPS_MAX);
        for (uint64_t i = 0; i < times; i++) {
            p->drops[p->drop_count++] = (plan_drop){
                .at_line = (size_t)random_below(random, lines),
                .user = (uint32_t)user,
                .away_ms = (uint32_t)(AWAY_MIN_MS + random_below(random, AWAY_SPAN_MS)),
                .polite = random_below(random, 4) == 0,
            };
        }
    }
    qsort(p->drops, p->drop_count, sizeof *p->drops, compare_drops);
}

bool plan_make(plan *out, uint64_t seed, size_t users, size_t lines, size_t kills)
{
    uint64_t random = seed;
    const size_t dropping = (users * PLAN_DROPPING_PERCENT + 99) / 100;
    *out = (plan){0};
    out->drops = calloc(dropping * PLAN_DROPS_MAX + 1, sizeof *out->drops);
    out->kills = calloc(kills + 1, sizeof *out->kills);
    if (out->drops == NULL || out->kills == NULL) {
        plan_free(out);
        return false;
    }
    choose_drops(out, &random, users, lines);
    for (size_t i = 0; i < kills; i++) {
        const size_t from = lines * i / kills;
        const size_t to = lines * (i + 1) / kills;
        out->kills[out->kill_count++] = (plan_kill){
            .at_line = from + (size_t)random_below(&random, to - from),
            .delay_ms = (uint32_t)random_below(&random, KILL_DELAY_MS),
        };
    }
    return true;
}

void plan_free(plan *p)
{
    free(p->drops);
    free(p->kills);
    *p = (plan){0};
}
