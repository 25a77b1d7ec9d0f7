/* histogram.h: latencies in buckets that are 1/64 of a power of two wide, so a percentile is off by at most 1.6 %.
 *
 * Ownership: caller's memory, no pointers inside.  Thread: one at a time.  Units: nanoseconds. */
#ifndef CONFAB_BENCH_HISTOGRAM_H
#define CONFAB_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_FINE_BITS = 6,
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_FINE_BITS + 1) << HISTOGRAM_FINE_BITS,
};

/* Zeroed is empty. */
typedef struct histogram {
    uint64_t count;
    int64_t max_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
} histogram;

/* Adds one value; negative ones count as 0. */
void histogram_add(histogram *h, int64_t value_ns);

/* The value below which `share` (0 to 1) of all values lie: the middle of its bucket, never above the maximum.
 * 0 when empty. */
int64_t histogram_percentile_ns(const histogram *h, double share);

#endif
