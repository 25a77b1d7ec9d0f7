/* host.h: the server under test: its folder, its process, its commands.
 *
 * Everything lives in one temporary folder (data, log, lists of names and tokens; readable by the owner only), and is removed with it.
 * Children die with this process (parent-death signal), whatever happens to it.
 *
 * Ownership: a host owns its folder and its process.  Thread: main.  Errors: false with a line in host.problem. */
#ifndef CONFAB_DEMO_HOST_H
#define CONFAB_DEMO_HOST_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct host {
    char folder[PATH_MAX / 4];
    char confab[PATH_MAX / 4]; /* the program, an absolute path */
    uint16_t port;
    pid_t pid; /* of the server; 0: none */
    bool keep; /* leave the folder where it is */
    char problem[512];
} host;

/* Makes the folder; takes the given port, or with 0 a free one outside the range from which the kernel gives ports to clients
 * (there, a client that comes back while the server is dead could take the server's own port, or connect to itself). */
bool host_init(host *h, const char *confab, uint16_t port, bool keep);

/* Kills the server if it runs, and removes the folder. Accepts a zeroed host. */
void host_fini(host *h);

/* Starts `confab serve` on the folder and port; does not wait until it answers. */
bool host_start(host *h);

/* SIGKILL, and waits until the process is gone. */
void host_kill(host *h);

/* SIGTERM, and waits for the end. True for exit code 0 within the time; else it has been killed. */
bool host_stop(host *h, int64_t timeout_ms);

/* Whether the server has ended by itself since the last start; *out_status is then wait()'s. */
bool host_has_ended(host *h, int *out_status);

/* Runs `confab ARGS…` (a NULL-terminated list, without the program), standard input and output from and to files of the folder
 * (NULL: nothing). True for exit code 0. */
bool host_command(host *h, const char *const args[], const char *input, const char *output);

/* Asks GET /ready until it answers 200. False when the server ends, or after timeout_ms. */
bool host_wait_ready(host *h, int64_t timeout_ms);

/* Writes the path of a file in the folder. */
void host_path(const host *h, const char *name, char *out, size_t size);

/* Writes the last few lines of the server's log to standard error. */
void host_print_log(const host *h);

/* Set by host_catch_signals() on SIGINT and SIGTERM: whoever waits gives up. */
bool host_is_interrupted(void);
void host_catch_signals(void);

#endif
