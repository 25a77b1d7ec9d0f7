#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void cli_complain(const char *fmt, ...)
{
    va_list args;
    (void)fputs("confab: ", stderr); /* nobody is left to tell when standard error is gone */
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args); // NOLINT(clang-analyzer-valist.Uninitialized): clang-tidy's own mistake with several files
    va_end(args);
    (void)fputc('\n', stderr);
}

int cli_fail(const char *what, confab_err e, const buf *problem)
{
    if (problem && problem->len)
        cli_complain("%s: %.*s", what, (int)problem->len, problem->data);
    else
        cli_complain("%s: %s", what, confab_err_sentence(e));
    return CLI_FAILED;
}

/* How many letters must be changed, added, dropped or swapped with their neighbour. */
static size_t distance(const char *a, const char *b)
{
    enum { MOST = 32 };
    size_t rows[3][MOST + 1], la = strlen(a), lb = strlen(b);
    if (la > MOST || lb > MOST) return MOST;
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best) best = above[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && above2[j - 2] + 1 < best) best = above2[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[la % 3][lb];
}

const char *cli_nearest(const char *word, const char *const *candidates, size_t n)
{
    const char *best = NULL;
    size_t least = strlen(word) / 3 + 2; /* further away it is a guess */
    for (size_t i = 0; i < n; i++) {
        size_t d = distance(word, candidates[i]);
        if (d < least) {
            least = d;
            best = candidates[i];
        }
    }
    return best;
}

static void complain_option(const char *word, const struct cli_option *options, size_t n)
{
    const char *names[32];
    size_t count = 0;
    for (; count < n && count < 32; count++)
        names[count] = options[count].name;
    const char *near = cli_nearest(word, names, count);
    if (near)
        cli_complain("unknown option %s; did you mean %s?", word, near);
    else
        cli_complain("unknown option %s", word);
}

/* Takes argv[*i] as an option. */
static bool take_option(int argc, char **argv, int *i, const struct cli_option *options, size_t n)
{
    const char *word = argv[*i], *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    for (size_t o = 0; o < n; o++) {
        if (!span_is((span){word, length}, options[o].name)) continue;
        if (options[o].flag) {
            if (equals) {
                cli_complain("%s takes no value", options[o].name);
                return false;
            }
            *options[o].flag = true;
            return true;
        }
        if (!equals && *i + 1 >= argc) {
            cli_complain("%s needs a value", options[o].name);
            return false;
        }
        *options[o].value = equals ? equals + 1 : argv[++*i];
        return true;
    }
    complain_option(word, options, n);
    return false;
}

bool cli_parse(int argc, char **argv, const struct cli_option *options, size_t n, int min, int max, struct cli_args *out)
{
    bool only_positional = false;
    out->count = 0;
    out->positional = (const char **)argv; /* sorted to the front, in place: never overtakes what is still to be read */
    for (int i = 0; i < argc; i++) {
        if (!only_positional && strcmp(argv[i], "--") == 0) {
            only_positional = true;
        } else if (only_positional || argv[i][0] != '-' || argv[i][1] == '\0') {
            out->positional[out->count++] = argv[i];
        } else if (!take_option(argc, argv, &i, options, n)) {
            return false;
        }
    }
    if (out->count < min)
        cli_complain("too few arguments; see confab help");
    else if (max >= 0 && out->count > max)
        cli_complain("too many arguments: %s", out->positional[max]);
    else
        return true;
    return false;
}
