/* setup.h: users, tokens and rooms for a run.  Thread: main. */
#ifndef CONFAB_DEMO_SETUP_H
#define CONFAB_DEMO_SETUP_H

#include "run.h"

/* On a running server: adds the corpus' users and an admin, gets a token for each, makes the rooms.
 * False with r->problem. */
bool setup_all(run *r);

#endif
