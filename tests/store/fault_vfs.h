/* A disk that fails on demand: an SQLite VFS over the system's, made the default, which refuses the n-th write or sync. Thread: any. */
#ifndef CONFAB_TESTS_FAULT_VFS_H
#define CONFAB_TESTS_FAULT_VFS_H

#include <stdbool.h>

enum fault_kind { FAULT_WRITE = 1, FAULT_SYNC = 2, FAULT_READ = 4 };

void fault_vfs_install(void); /* before the first database is opened */
/* From now on the nth call (1, 2, …) of the kinds fails with the SQLite code; with `lasting`, every one after it too. */
void fault_vfs_arm(int kinds, int nth, int code, bool lasting);
void fault_vfs_disarm(void);
int fault_vfs_fired(void); /* calls that failed since it was armed */

#endif
