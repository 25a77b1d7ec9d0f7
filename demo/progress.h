/* progress.h: says how far a long piece of work is: one line, rewritten, on a terminal; a line every few seconds elsewhere.
 *
 * Writes to standard error, so that standard output has the results alone.  Thread: main. */
#ifndef CONFAB_DEMO_PROGRESS_H
#define CONFAB_DEMO_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether it is time to show something; cheap, so ask before making the text. */
bool progress_is_due(void);
/* Shows a line (without LF) and puts the next one off. */
void progress_show(const char *text);
/* Takes the rewritten line off the terminal. */
void progress_clear(void);

/* Writes a number with commas: 208,242. Returns out. */
#define PROGRESS_NUMBER_MAX 28
const char *progress_number(uint64_t value, char out[PROGRESS_NUMBER_MAX]);

#endif
