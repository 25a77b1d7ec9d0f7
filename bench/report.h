/* report.h: figures for people and for the bench script, from one list.
 *
 * Every figure is printed as a line of text at once. With JSON asked for, the text goes to stderr and report_finish()
 * prints one line, an object of all figures, to stdout.
 *
 * Ownership: owns its copy.  Thread: one at a time. */
#ifndef CONFAB_BENCH_REPORT_H
#define CONFAB_BENCH_REPORT_H

#include "bytes.h"
#include "histogram.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct report {
    FILE *text;   /* where the lines for people go */
    bool json;    /* print the object at the end */
    bytes object; /* members so far */
} report;

/* Starts a report; `scenario` is its first figure. */
report report_start(const char *scenario, bool json);

/* Adds one figure. `name` is its key, the same in text and JSON; `unit` is for people. */
void report_number(report *r, const char *name, double value, const char *unit);
void report_count(report *r, const char *name, uint64_t value, const char *unit);
void report_text(report *r, const char *name, const char *value);

/* Adds PREFIXp50_ms, PREFIXp99_ms and PREFIXmax_ms. */
void report_latency(report *r, const char *prefix, const histogram *h);

/* Adds "ok" and ends the report. Returns the exit status: 0, or 1 where something was wrong. */
int report_finish(report *r, bool ok);

#endif
