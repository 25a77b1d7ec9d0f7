/* report.c: see report.h. */
#include "report.h"

#include "peek.h"

#include <string.h>

static void add_member(report *r, const char *name, const char *value)
{
    const bool added = bytes_append(&r->object, r->object.len == 0 ? "{\"" : ",\"", 2) && bytes_append(&r->object, name, strlen(name)) &&
                       bytes_append(&r->object, "\":", 2) && bytes_append(&r->object, value, strlen(value));
    if (!added) {
        (void)fprintf(r->text, "out of memory for the report\n");
    }
}

report report_start(const char *scenario, bool json)
{
    report r = {.text = json ? stderr : stdout, .json = json};
    report_text(&r, "scenario", scenario);
    return r;
}

void report_number(report *r, const char *name, double value, const char *unit)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%.6g", value);
    if (value >= 1e6 || value <= -1e6) { /* no exponents: people read this */
        (void)snprintf(text, sizeof text, "%.0f", value);
    }
    (void)fprintf(r->text, "  %-28s %14s %s\n", name, text, unit);
    add_member(r, name, text);
}

void report_count(report *r, const char *name, uint64_t value, const char *unit)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    (void)fprintf(r->text, "  %-28s %14s %s\n", name, text, unit);
    add_member(r, name, text);
}

void report_text(report *r, const char *name, const char *value)
{
    char quoted[6 * 256 + 3] = "\"";
    const size_t len = strnlen(value, 256);
    const size_t escaped = peek_escape(value, len, quoted + 1);
    memcpy(quoted + 1 + escaped, "\"", 2);
    (void)fprintf(r->text, "  %-28s %s\n", name, value);
    add_member(r, name, quoted);
}

void report_latency(report *r, const char *prefix, const histogram *h)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%sp50_ms", prefix);
    report_number(r, name, (double)histogram_percentile_ns(h, 0.50) / 1e6, "ms");
    (void)snprintf(name, sizeof name, "%sp99_ms", prefix);
    report_number(r, name, (double)histogram_percentile_ns(h, 0.99) / 1e6, "ms");
    (void)snprintf(name, sizeof name, "%smax_ms", prefix);
    report_number(r, name, (double)h->max_ns / 1e6, "ms");
}

int report_finish(report *r, bool ok)
{
    (void)fprintf(r->text, "  %-28s %s\n", "ok", ok ? "yes" : "NO");
    add_member(r, "ok", ok ? "true" : "false");
    if (r->json && r->object.len > 0) {
        (void)printf("%.*s}\n", (int)r->object.len, r->object.at);
    }
    (void)fflush(NULL);
    bytes_fini(&r->object);
    return ok ? 0 : 1;
}
