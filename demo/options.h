/* options.h: the command line of confab-demo. */
#ifndef CONFAB_DEMO_OPTIONS_H
#define CONFAB_DEMO_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct options {
    const char *corpus;
    const char *confab;
    const char *json; /* NULL: none */
    double speed;     /* lines per second and room; 0: as fast as they are acknowledged */
    size_t kills;
    size_t files; /* 0: all */
    uint64_t seed;
    size_t patience_s; /* the run is given up when nothing has moved for so long */
    uint16_t port;     /* 0: a free one */
    bool keep;
} options;

typedef enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_WRONG } options_result;

/* Fills *out; strings borrow from argv. Prints help or what is wrong. Thread: main. */
options_result options_read(options *out, int argc, char **argv);

#endif
