/* options.c: see options.h. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "confab-demo: a recorded IRC channel, spoken by one WebSocket connection per nick, and the proof that nothing of it was lost\n"
    "\n"
    "Every file of the corpus is a room, every nick a user with its own connection, every line a message, sent in the order of the file\n"
    "by its nick. A fifth of the readers drops at random moments and comes back with its cursor. At the end each reader's transcript is\n"
    "compared with what was acknowledged, and each room is read back and compared with the corpus, byte for byte.\n"
    "\n"
    "  --corpus DIR    folder with the *.txt files   (../shared/corpus/ubuntu-irc)\n"
    "  --kill N        kill the server N times with SIGKILL, at random moments, and start it again on the same data   (0)\n"
    "  --speed X       lines per second in each room; 0: as fast as they are acknowledged   (0)\n"
    "  --files K       only the first K files; 0: all   (0)\n"
    "  --seed S        who drops when, and when the server is killed   (1)\n"
    "  --confab FILE   the server's program   (build/confab)\n"
    "  --patience S    give up when nothing has moved for so many seconds   (60)\n"
    "  --port P        the server's port; 0: a free one   (0)\n"
    "  --json FILE     write the results there, too\n"
    "  --keep          leave the temporary folder (data, server log) where it is\n"
    "  --help          this\n"
    "\n"
    "Exit code: 0 nothing was lost, doubled, out of order or altered; 1 something was; 2 the run could not be made; 130 interrupted.\n";

static bool read_number(const char *text, uint64_t max, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value > max) {
        return false;
    }
    *out = value;
    return true;
}

static bool read_speed(const char *text, double *out)
{
    char *end = NULL;
    const double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0 && value <= 1e6)) {
        return false;
    }
    *out = value;
    return true;
}

static bool take(options *o, int option, const char *value)
{
    uint64_t number = 0;
    bool ok = true;
    switch (option) {
    case 'c':
        o->corpus = value;
        break;
    case 'b':
        o->confab = value;
        break;
    case 'j':
        o->json = value;
        break;
    case 'K':
        o->keep = true;
        break;
    case 'x':
        ok = read_speed(value, &o->speed);
        break;
    case 'k':
        ok = read_number(value, 100000, &number);
        o->kills = (size_t)number;
        break;
    case 'f':
        ok = read_number(value, 1000000, &number);
        o->files = (size_t)number;
        break;
    case 's':
        ok = read_number(value, UINT64_MAX, &o->seed);
        break;
    case 'w':
        ok = read_number(value, 3600, &number) && number > 0;
        o->patience_s = (size_t)number;
        break;
    case 'p':
        ok = read_number(value, UINT16_MAX, &number);
        o->port = (uint16_t)number;
        break;
    default:
        return false;
    }
    if (!ok) {
        (void)fprintf(stderr, "confab-demo: %s is not a number that fits\n", value);
    }
    return ok;
}

options_result options_read(options *out, int argc, char **argv)
{
    static const struct option known[] = {
        {"corpus", required_argument, NULL, 'c'},   {"confab", required_argument, NULL, 'b'}, {"json", required_argument, NULL, 'j'},
        {"keep", no_argument, NULL, 'K'},           {"speed", required_argument, NULL, 'x'},  {"kill", required_argument, NULL, 'k'},
        {"files", required_argument, NULL, 'f'},    {"seed", required_argument, NULL, 's'},   {"port", required_argument, NULL, 'p'},
        {"patience", required_argument, NULL, 'w'}, {"help", no_argument, NULL, 'h'},         {0},
    };
    int option = 0;
    *out = (options){.corpus = "../shared/corpus/ubuntu-irc", .confab = "build/confab", .seed = 1, .patience_s = 60};
    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(help, stdout);
            return OPTIONS_HELP;
        }
        if (!take(out, option, optarg)) {
            (void)fputs("Try confab-demo --help.\n", stderr);
            return OPTIONS_WRONG;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "confab-demo: %s is not an option. Try confab-demo --help.\n", argv[optind]);
        return OPTIONS_WRONG;
    }
    return OPTIONS_RUN;
}
