/* report.h: the results of a run, for people and for programs.  Thread: main. */
#ifndef CONFAB_DEMO_REPORT_H
#define CONFAB_DEMO_REPORT_H

#include "run.h"

/* What is about to be sent: counts of the corpus, and what happens to lines that are special. */
void report_corpus(const corpus *c);

/* The results, to standard output; and to a file as one JSON object. False when the file cannot be written (said on standard error). */
void report_print(const run *r);
bool report_write_json(const run *r, const char *path);

#endif
