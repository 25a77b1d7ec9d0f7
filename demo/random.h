/* random.h: reproducible randomness (splitmix64). The same seed gives the same plan on every machine.
 *
 * Ownership: the state is the caller's.  Thread: one at a time per state. */
#ifndef CONFAB_DEMO_RANDOM_H
#define CONFAB_DEMO_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* 0 … limit-1; limit 0 gives 0. The bias of the remainder (below 2^-32 here) does not matter. */
static inline uint64_t random_below(uint64_t *state, uint64_t limit) { return limit == 0 ? 0 : random_next(state) % limit; }

#endif
