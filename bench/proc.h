/* proc.h: what the kernel, and the server's /metrics, say about the server under test.
 *
 * Ownership: no state.  Thread: any.  Blocks: proc_get_metric() waits for the server's answer, 5 s at most. */
#ifndef CONFAB_BENCH_PROC_H
#define CONFAB_BENCH_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* CPU time of all threads of a process, user and system, in nanoseconds; 0 for pid 0 or a process that is gone. (The
 * same clock as utime + stime of /proc/PID/stat, without its 10 ms steps.) */
int64_t proc_cpu_ns(pid_t pid);

/* CPU time of this process, in nanoseconds. */
int64_t proc_own_cpu_ns(void);

/* Resident memory in bytes; 0 for pid 0 or a process that is gone. */
int64_t proc_resident_bytes(pid_t pid);

/* The part of it that is the process's own (heap, stacks), without mapped files such as a database; in bytes. */
int64_t proc_own_memory_bytes(pid_t pid);

/* Reads `name` (a whole sample name, without labels) from GET /metrics on loopback. Returns false where the server has
 * no such page or sample. */
bool proc_get_metric(uint16_t port, const char *name, double *out_value);

#endif
