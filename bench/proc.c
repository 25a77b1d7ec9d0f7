/* proc.c: see proc.h. */
#include "proc.h"

#include "bytes.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    return clock_gettime(clock, &now) == 0 ? (int64_t)now.tv_sec * 1000000000 + now.tv_nsec : 0;
}

int64_t proc_cpu_ns(pid_t pid)
{
    clockid_t clock;
    return pid > 0 && clock_getcpuclockid(pid, &clock) == 0 ? clock_ns(clock) : 0;
}

int64_t proc_own_cpu_ns(void) { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

/* The figure, in KiB, of a line "NAME   123 kB" of /proc/PID/status, in bytes; 0 where there is none. */
static int64_t status_bytes(pid_t pid, const char *name)
{
    char path[64];
    char line[256];
    int64_t kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *file = pid > 0 ? fopen(path, "re") : NULL;
    if (file == NULL) {
        return 0;
    }
    while (kib == 0 && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            kib = strtoll(line + strlen(name), NULL, 10);
        }
    }
    (void)fclose(file);
    return kib * 1024;
}

int64_t proc_resident_bytes(pid_t pid) { return status_bytes(pid, "VmRSS:"); }

int64_t proc_own_memory_bytes(pid_t pid) { return status_bytes(pid, "RssAnon:"); }

/* Gets the page into *out, NUL terminated. Returns false when the server cannot be reached or says nothing. */
static bool get_page(uint16_t port, bytes *out)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    const struct timeval limit = {.tv_sec = 5};
    const struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    bool ok = setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
              connect(fd, (const struct sockaddr *)&server, sizeof server) == 0 &&
              send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)(sizeof request - 1);
    ssize_t n = 1;
    while (ok && n > 0 && bytes_reserve(out, 65536)) {
        n = recv(fd, out->at + out->len, out->cap - out->len, 0);
        out->len += n > 0 ? (size_t)n : 0;
    }
    ok = ok && out->len > 0 && bytes_append(out, "", 1);
    (void)close(fd);
    return ok;
}

bool proc_get_metric(uint16_t port, const char *name, double *out_value)
{
    bytes page = {0};
    bool found = false;
    if (get_page(port, &page) && strncmp(page.at, "HTTP/1.1 200", 12) == 0) {
        const size_t name_len = strlen(name);
        for (const char *line = page.at; line != NULL && !found; line = strchr(line, '\n')) {
            line += *line == '\n';
            if (strncmp(line, name, name_len) == 0 && line[name_len] == ' ') {
                *out_value = strtod(line + name_len, NULL);
                found = true;
            }
        }
    }
    bytes_fini(&page);
    return found;
}
