/* What every fuzz target has: libFuzzer's entry, and a check that stays in release builds. */
#ifndef CONFAB_FUZZ_H
#define CONFAB_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(what)                                                                                                                   \
    do {                                                                                                                                   \
        if (!(what)) {                                                                                                                     \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);                                                \
            abort();                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

#endif
