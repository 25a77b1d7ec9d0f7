#include "confab/metrics.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { HISTOGRAM_BUCKETS = 16 };

struct histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BUCKETS + 1]; /* each value in one bucket; summed up on output */
    _Atomic uint64_t sum;
};

static _Atomic uint64_t counters[METRIC_COUNTER_COUNT];
static _Atomic int64_t gauges[METRIC_GAUGE_COUNT];
static struct histogram histograms[METRIC_HISTOGRAM_COUNT];

struct row {
    const char *name, *labels, *help;
};
static const struct row counter_rows[] = {
#define X(name, prometheus, labels, help) {prometheus, labels, help},
    METRIC_COUNTER_MAP(X)
#undef X
};
static const struct row gauge_rows[] = {
#define X(name, prometheus, labels, help) {prometheus, labels, help},
    METRIC_GAUGE_MAP(X)
#undef X
};
static const struct histogram_row {
    const char *name;
    uint64_t first;
    double scale;
    const char *help;
} histogram_rows[] = {
#define X(name, prometheus, first, scale, help) {prometheus, first, scale, help},
    METRIC_HISTOGRAM_MAP(X)
#undef X
};

void metric_add(enum metric_counter c, uint64_t n) { atomic_fetch_add_explicit(&counters[c], n, memory_order_relaxed); }
void metric_gauge_add(enum metric_gauge g, int64_t delta) { atomic_fetch_add_explicit(&gauges[g], delta, memory_order_relaxed); }
void metric_gauge_set(enum metric_gauge g, int64_t value) { atomic_store_explicit(&gauges[g], value, memory_order_relaxed); }
uint64_t metric_get(enum metric_counter c) { return atomic_load_explicit(&counters[c], memory_order_relaxed); }
int64_t metric_gauge_get(enum metric_gauge g) { return atomic_load_explicit(&gauges[g], memory_order_relaxed); }

void metric_observe(enum metric_histogram h, uint64_t value)
{
    unsigned bucket = 0;
    for (uint64_t bound = histogram_rows[h].first; bucket < HISTOGRAM_BUCKETS && value > bound; bound *= 2)
        bucket++;
    atomic_fetch_add_explicit(&histograms[h].buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histograms[h].sum, value, memory_order_relaxed);
}

/* HELP and TYPE once per name; rows of one name stand together in the table. */
static void write_head(buf *out, const char *name, const char *help, const char *type, const char *previous)
{
    if (previous && strcmp(previous, name) == 0) return;
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help ? help : "", name, type);
}

static void write_sample(buf *out, const struct row *row, int64_t value)
{
    buf_append_str(out, row->name);
    if (row->labels[0]) buf_printf(out, "{%s}", row->labels);
    buf_append_char(out, ' ');
    buf_append_int(out, value);
    buf_append_char(out, '\n');
}

static void write_histogram(buf *out, enum metric_histogram h)
{
    const struct histogram_row *row = &histogram_rows[h];
    uint64_t total = 0, bound = row->first;
    write_head(out, row->name, row->help, "histogram", NULL);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++, bound *= 2) {
        total += atomic_load_explicit(&histograms[h].buckets[i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{le=\"%g\"} %llu\n", row->name, (double)bound / row->scale, (unsigned long long)total);
    }
    total += atomic_load_explicit(&histograms[h].buckets[HISTOGRAM_BUCKETS], memory_order_relaxed);
    buf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n", row->name, (unsigned long long)total);
    buf_printf(out, "%s_sum %g\n", row->name, (double)atomic_load_explicit(&histograms[h].sum, memory_order_relaxed) / row->scale);
    buf_printf(out, "%s_count %llu\n", row->name, (unsigned long long)total);
}

static int64_t resident_bytes(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f) return 0;
    if (fscanf(f, "%*s %ld", &pages) != 1) pages = 0;
    (void)fclose(f); /* read only */
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static int64_t open_descriptors(void)
{
    int64_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    if (!d) return 0;
    while (readdir(d))
        n++;
    (void)closedir(d);
    return n > 3 ? n - 3 : 0; /* ".", ".." and the directory itself */
}

static void write_process(buf *out)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        double seconds =
            (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
        write_head(out, "process_cpu_seconds_total", "User and system time", "counter", NULL);
        buf_printf(out, "process_cpu_seconds_total %.3f\n", seconds);
    }
    write_head(out, "process_resident_memory_bytes", "Resident memory", "gauge", NULL);
    buf_printf(out, "process_resident_memory_bytes %lld\n", (long long)resident_bytes());
    write_head(out, "process_open_fds", "Open descriptors", "gauge", NULL);
    buf_printf(out, "process_open_fds %lld\n", (long long)open_descriptors());
}

void metric_write_prometheus(buf *out)
{
    const char *previous = NULL;
    for (size_t i = 0; i < METRIC_COUNTER_COUNT; i++) {
        write_head(out, counter_rows[i].name, counter_rows[i].help, "counter", previous);
        write_sample(out, &counter_rows[i], (int64_t)metric_get((enum metric_counter)i));
        previous = counter_rows[i].name;
    }
    for (size_t i = 0; i < METRIC_GAUGE_COUNT; i++) {
        write_head(out, gauge_rows[i].name, gauge_rows[i].help, "gauge", previous);
        write_sample(out, &gauge_rows[i], metric_gauge_get((enum metric_gauge)i));
        previous = gauge_rows[i].name;
    }
    for (size_t i = 0; i < METRIC_HISTOGRAM_COUNT; i++)
        write_histogram(out, (enum metric_histogram)i);
    write_process(out);
}
