/* Time, in two kinds that are never mixed: wall time for people, monotonic time for intervals. Thread: any. */
#ifndef CONFAB_CLOCK_H
#define CONFAB_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_ms(void); /* milliseconds since 1970 UTC */
int64_t clock_mono_us(void); /* microseconds since some point; never goes back */

#define CLOCK_RFC3339_SIZE 25 /* "2026-11-24T08:00:00.123Z" and NUL */
/* RFC 3339 in UTC with milliseconds, written to out; years 0 to 9999. Returns the length, 24. */
size_t clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE]);
/* Accepts "YYYY-MM-DDTHH:MM:SS[.fraction](Z|+hh:mm)"; returns -1 where it is not one, else milliseconds. */
int64_t clock_parse_rfc3339(const char *s, size_t n);

/* For tests: from now on both clocks stand at these values. Pass -1, -1 to let them run again. */
void clock_set_for_tests(int64_t wall_ms, int64_t mono_us);

#endif
