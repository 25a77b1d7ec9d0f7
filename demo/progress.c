/* progress.c: see progress.h. */
#include "progress.h"

#include "swarm.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TERMINAL_EVERY_MS = 200, LOG_EVERY_MS = 5000 };

static int64_t next_ns;

static bool is_terminal(void) { return isatty(STDERR_FILENO) == 1; }

bool progress_is_due(void) { return swarm_now_ns() >= next_ns; }

void progress_show(const char *text)
{
    const bool terminal = is_terminal();
    next_ns = swarm_now_ns() + (terminal ? TERMINAL_EVERY_MS : LOG_EVERY_MS) * INT64_C(1000000);
    (void)fprintf(stderr, terminal ? "\r\033[K%s" : "%s\n", text);
    (void)fflush(stderr);
}

void progress_clear(void)
{
    if (is_terminal()) {
        (void)fputs("\r\033[K", stderr);
    }
    next_ns = 0;
}

const char *progress_number(uint64_t value, char out[PROGRESS_NUMBER_MAX])
{
    char digits[24];
    size_t n = 0;
    const int len = snprintf(digits, sizeof digits, "%" PRIu64, value);
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            out[n++] = ',';
        }
        out[n++] = digits[i];
    }
    out[n] = '\0';
    return out;
}
