/* host.c: see host.h. */
#include "host.h"

#include "rest.h"
#include "swarm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PORT_FIRST = 18000, /* below the kernel's ephemeral range (32768 up) */
    PORT_COUNT = 12000,
    PORT_TRIES = 200,
    WAIT_STEP_MS = 10,
    COMMAND_TIMEOUT_MS = 600000,
};

extern char **environ;

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

bool host_is_interrupted(void) { return interrupted != 0; }

void host_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    struct sigaction before;
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) { /* under nohup it goes on */
        (void)sigaction(SIGHUP, &action, NULL);
    }
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
}

void host_path(const host *h, const char *name, char *out, size_t size) { (void)snprintf(out, size, "%s/%s", h->folder, name); }

/* ---- making and removing ---- */

static bool port_is_free(uint16_t port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    const bool is_free = bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    (void)close(fd);
    return is_free;
}

static uint16_t find_free_port(void)
{
    const unsigned start = (unsigned)getpid(); /* several demos at once look at different ports first */
    for (unsigned i = 0; i < PORT_TRIES; i++) {
        const uint16_t port = (uint16_t)(PORT_FIRST + (start + i * 37) % PORT_COUNT);
        if (port_is_free(port)) {
            return port;
        }
    }
    return 0;
}

bool host_init(host *h, const char *confab, uint16_t port, bool keep)
{
    const char *base = getenv("TMPDIR");
    *h = (host){.port = port, .keep = keep};
    char resolved[PATH_MAX];
    if (realpath(confab, resolved) == NULL || access(resolved, X_OK) != 0 || strlen(resolved) >= sizeof h->confab) {
        (void)snprintf(h->problem, sizeof h->problem, "cannot run %.200s: %s (build it, or say --confab PROGRAM)", confab, strerror(errno));
        return false;
    }
    memcpy(h->confab, resolved, strlen(resolved) + 1);
    if (h->port == 0) {
        h->port = find_free_port();
    }
    if (h->port == 0) {
        (void)snprintf(h->problem, sizeof h->problem, "no free port found");
        return false;
    }
    (void)snprintf(h->folder, sizeof h->folder, "%.500s/confab-demo-XXXXXX", base != NULL && base[0] != '\0' ? base : "/tmp");
    if (mkdtemp(h->folder) == NULL) {
        (void)snprintf(h->problem, sizeof h->problem, "cannot make the folder %.200s: %s", h->folder, strerror(errno));
        h->folder[0] = '\0';
        return false;
    }
    return true;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    (void)remove(path); /* what cannot go stays; the others still go */
    return 0;
}

void host_fini(host *h)
{
    host_kill(h);
    if (h->folder[0] != '\0' && !h->keep) {
        (void)nftw(h->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
    h->folder[0] = '\0';
}

/* ---- processes ---- */

/* The caller's environment without CONFAB_ variables, and ours. The array is owned by the caller, its strings by `mine` and environ. */
static char **make_environment(char (*mine)[PATH_MAX / 4 + 32], size_t mine_count)
{
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **all = calloc(count + mine_count + 1, sizeof *all);
    size_t n = 0;
    for (size_t i = 0; all != NULL && i < count; i++) {
        if (strncmp(environ[i], "CONFAB_", 7) != 0) {
            all[n++] = environ[i];
        }
    }
    for (size_t i = 0; all != NULL && i < mine_count; i++) {
        all[n++] = mine[i];
    }
    return all;
}

/* In the child: opens a file as descriptor `as`, or ends. */
static void open_as(const char *path, int flags, int as)
{
    const int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0 || dup2(fd, as) < 0) {
        _exit(126);
    }
}

/* Starts the program; returns its pid or -1. Paths are absolute. */
static pid_t spawn(host *h, const char *const args[], const char *input, const char *output, const char *errors)
{
    enum { MINE = 6 };
    char mine[MINE][PATH_MAX / 4 + 32];
    (void)snprintf(mine[0], sizeof mine[0], "CONFAB_DATA=%s/data", h->folder);
    (void)snprintf(mine[1], sizeof mine[1], "CONFAB_PORT=%u", h->port);
    (void)snprintf(mine[2], sizeof mine[2], "CONFAB_LISTEN=127.0.0.1");
    (void)snprintf(mine[3], sizeof mine[3], "CONFAB_RATE_PROFILE=unlimited");
    (void)snprintf(mine[4], sizeof mine[4], "CONFAB_LOG_LEVEL=warn");
    (void)snprintf(mine[5], sizeof mine[5], "CONFAB_LOG=text");
    char **environment = make_environment(mine, MINE);
    char *argv[16] = {h->confab};
    for (size_t i = 0; args[i] != NULL && i < 14; i++) {
        argv[i + 1] = (char *)(uintptr_t)args[i]; /* exec() changes nothing, whatever its type says */
    }
    const pid_t parent = getpid();
    const pid_t pid = environment != NULL ? fork() : -1;
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
            _exit(126);
        }
        (void)signal(SIGPIPE, SIG_DFL); /* ignored signals would stay ignored over the exec */
        open_as(input, O_RDONLY, STDIN_FILENO);
        open_as(output, O_WRONLY | O_CREAT | O_APPEND, STDOUT_FILENO);
        open_as(errors, O_WRONLY | O_CREAT | O_APPEND, STDERR_FILENO);
        (void)execve(h->confab, argv, environment);
        _exit(127);
    }
    if (pid < 0) {
        (void)snprintf(h->problem, sizeof h->problem, "cannot start a process: %s", strerror(errno));
    }
    free(environment);
    return pid;
}

static void sleep_a_little(void) { (void)poll(NULL, 0, WAIT_STEP_MS); }

static void kill_and_reap(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* Waits for the end of a child. False (and the child is killed) after timeout_ms or when interrupted. */
static bool wait_for_end(pid_t pid, int64_t timeout_ms, bool mind_interrupt, int *out_status)
{
    const int64_t until = swarm_now_ns() + timeout_ms * 1000000;
    for (;;) {
        const pid_t ended = waitpid(pid, out_status, WNOHANG);
        if (ended == pid) {
            return true;
        }
        if (swarm_now_ns() > until || (mind_interrupt && host_is_interrupted())) {
            kill_and_reap(pid);
            return false;
        }
        sleep_a_little();
    }
}

bool host_start(host *h)
{
    static const char *const args[] = {"serve", NULL};
    char log[PATH_MAX];
    host_path(h, "server.log", log, sizeof log);
    const pid_t pid = spawn(h, args, "/dev/null", log, log);
    h->pid = pid > 0 ? pid : 0;
    return pid > 0;
}

void host_kill(host *h)
{
    if (h->pid > 0) {
        kill_and_reap(h->pid);
        h->pid = 0;
    }
}

bool host_stop(host *h, int64_t timeout_ms)
{
    int status = 0;
    if (h->pid <= 0) {
        return false;
    }
    (void)kill(h->pid, SIGTERM);
    const bool ended = wait_for_end(h->pid, timeout_ms, false, &status);
    h->pid = 0;
    return ended && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool host_has_ended(host *h, int *out_status)
{
    if (h->pid > 0 && waitpid(h->pid, out_status, WNOHANG) == h->pid) {
        h->pid = 0;
        return true;
    }
    return false;
}

bool host_command(host *h, const char *const args[], const char *input, const char *output)
{
    char in[PATH_MAX] = "/dev/null";
    char out[PATH_MAX] = "/dev/null";
    char errors[PATH_MAX];
    int status = 0;
    if (input != NULL) {
        host_path(h, input, in, sizeof in);
    }
    if (output != NULL) {
        host_path(h, output, out, sizeof out);
    }
    host_path(h, "command.log", errors, sizeof errors);
    const pid_t pid = spawn(h, args, in, out, errors);
    if (pid < 0) {
        return false;
    }
    if (!wait_for_end(pid, COMMAND_TIMEOUT_MS, true, &status)) {
        (void)snprintf(h->problem, sizeof h->problem, "confab %s did not end", args[0]);
        return false;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        (void)snprintf(h->problem, sizeof h->problem, "confab %s %s failed (%s %d)", args[0], args[1] != NULL ? args[1] : "",
                       WIFEXITED(status) ? "exit code" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        return false;
    }
    return true;
}

bool host_wait_ready(host *h, int64_t timeout_ms)
{
    const int64_t until = swarm_now_ns() + timeout_ms * 1000000;
    int status = 0;
    while (swarm_now_ns() < until && !host_is_interrupted()) {
        if (host_has_ended(h, &status)) {
            (void)snprintf(h->problem, sizeof h->problem, "the server ended at its start (%s %d)",
                           WIFEXITED(status) ? "exit code" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
            return false;
        }
        if (rest_request(h->port, "GET", "/ready", NULL, NULL, NULL) == 200) {
            return true;
        }
        sleep_a_little();
    }
    (void)snprintf(h->problem, sizeof h->problem, "the server did not get ready");
    return false;
}

static void print_end_of(const host *h, const char *name)
{
    char path[PATH_MAX];
    char tail[2048];
    host_path(h, name, path, sizeof path);
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return;
    }
    long size = 0;
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) > 0) {
        (void)fseek(file, size > (long)sizeof tail ? size - (long)sizeof tail : 0, SEEK_SET);
        const size_t n = fread(tail, 1, sizeof tail, file);
        (void)fprintf(stderr, "---- end of %s ----\n%.*s\n", name, (int)n, tail);
    }
    (void)fclose(file); /* only read from */
}

void host_print_log(const host *h)
{
    if (h->folder[0] != '\0') {
        print_end_of(h, "command.log");
        print_end_of(h, "server.log");
    }
}
