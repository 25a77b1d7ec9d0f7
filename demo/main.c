/* main.c: confab-demo. See options.c for what it is for, run.h for how it works. */
#include "options.h"
#include "progress.h"
#include "report.h"
#include "run.h"

#include <stdio.h>

enum { EXIT_PASSED = 0, EXIT_DIFFERS = 1, EXIT_NO_RUN = 2, EXIT_INTERRUPTED = 130 };

int main(int argc, char **argv)
{
    options o;
    static run r;
    switch (options_read(&o, argc, argv)) {
    case OPTIONS_HELP:
        return EXIT_PASSED;
    case OPTIONS_WRONG:
        return EXIT_NO_RUN;
    case OPTIONS_RUN:
        break;
    }
    host_catch_signals();
    int code = EXIT_NO_RUN;
    if (run_all(&r, &o)) {
        report_print(&r);
        code = r.result.passed ? EXIT_PASSED : EXIT_DIFFERS;
        if (!r.result.passed) {
            host_print_log(&r.host);
        }
        if (o.json != NULL && !report_write_json(&r, o.json)) {
            code = EXIT_NO_RUN;
        }
    } else if (host_is_interrupted()) {
        progress_clear();
        (void)fputs("confab-demo: interrupted\n", stderr);
        code = EXIT_INTERRUPTED;
    } else {
        progress_clear();
        (void)fprintf(stderr, "confab-demo: %s\n", r.problem);
        host_print_log(&r.host);
    }
    if (o.keep && r.host.folder[0] != '\0') {
        (void)fprintf(stderr, "kept: %s\n", r.host.folder);
    }
    run_free(&r);
    return code;
}
