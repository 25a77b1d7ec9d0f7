/* histogram.c: see histogram.h. */
#include "histogram.h"

#include <stddef.h>

/* Values below 2^(FINE_BITS+1) have a bucket of their own; above, a bucket is named by the leading FINE_BITS+1 bits. */
static size_t bucket_of(uint64_t value)
{
    if (value >> HISTOGRAM_FINE_BITS == 0) {
        return (size_t)value;
    }
    const unsigned shift = 63U - (unsigned)__builtin_clzll(value) - HISTOGRAM_FINE_BITS;
    return ((size_t)shift << HISTOGRAM_FINE_BITS) + (size_t)(value >> shift);
}

static int64_t middle_of(size_t bucket)
{
    if (bucket >> (HISTOGRAM_FINE_BITS + 1) == 0) {
        return (int64_t)bucket;
    }
    const unsigned shift = (unsigned)(bucket >> HISTOGRAM_FINE_BITS) - 1;
    const uint64_t leading = bucket - ((size_t)shift << HISTOGRAM_FINE_BITS);
    return (int64_t)((leading << shift) + (((uint64_t)1 << shift) >> 1));
}

void histogram_add(histogram *h, int64_t value_ns)
{
    if (value_ns < 0) {
        value_ns = 0;
    }
    h->count++;
    h->buckets[bucket_of((uint64_t)value_ns)]++;
    if (value_ns > h->max_ns) {
        h->max_ns = value_ns;
    }
}

int64_t histogram_percentile_ns(const histogram *h, double share)
{
    const double wanted = share * (double)h->count;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > 0 && (double)seen >= wanted) {
            const int64_t middle = middle_of(i);
            return middle < h->max_ns ? middle : h->max_ns;
        }
    }
    return 0;
}
