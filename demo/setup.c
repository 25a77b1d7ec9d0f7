/* setup.c: see setup.h. */
#include "setup.h"

#include "progress.h"
#include "rest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADMIN "~demo" /* no nick becomes this: a ~ in a user's name is followed by two hex digits, or ends in a hash of 16 */

static bool problem(run *r, const char *what, const char *why)
{
    (void)snprintf(r->problem, sizeof r->problem, "%.200s: %.250s", what, why);
    return false;
}

static bool write_names(run *r)
{
    char path[PATH_MAX];
    host_path(&r->host, "names", path, sizeof path);
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        return problem(r, path, strerror(errno));
    }
    for (size_t i = 0; i < r->corpus->user_count; i++) {
        (void)fprintf(file, "%s\n", r->corpus->users[i].name);
    }
    const bool written = ferror(file) == 0;
    return (fclose(file) == 0 && written) || problem(r, path, "cannot be written");
}

/* One line `NAME TOKEN`. Lines about nobody we know are left alone: the count tells at the end. */
static void take_token(run *r, char *line)
{
    char *space = strchr(line, ' ');
    if (space == NULL) {
        return;
    }
    *space = '\0';
    space[1 + strcspn(space + 1, "\r\n")] = '\0';
    const uint32_t user = corpus_find_user(r->corpus, line, strlen(line));
    char **slot = NULL;
    if (strcmp(line, ADMIN) == 0) {
        slot = &r->admin_token;
    } else if (user < r->corpus->user_count) {
        slot = &r->people[user].token;
    }
    if (slot != NULL && *slot == NULL) {
        *slot = strdup(space + 1);
    }
}

static bool read_tokens(run *r)
{
    char path[PATH_MAX];
    char line[4096];
    host_path(&r->host, "tokens", path, sizeof path);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return problem(r, path, strerror(errno));
    }
    while (fgets(line, sizeof line, file) != NULL) {
        take_token(r, line);
    }
    (void)fclose(file); /* only read from */
    if (r->admin_token == NULL) {
        return problem(r, ADMIN, "confab token made no token for it");
    }
    for (size_t i = 0; i < r->corpus->user_count; i++) {
        if (r->people[i].token == NULL) {
            return problem(r, r->corpus->users[i].name, "confab token made no token for it");
        }
    }
    return true;
}

static bool append_admin(run *r)
{
    char path[PATH_MAX];
    host_path(&r->host, "names", path, sizeof path);
    FILE *file = fopen(path, "ae");
    if (file == NULL) {
        return problem(r, path, strerror(errno));
    }
    const bool written = fputs(ADMIN "\n", file) >= 0;
    return (fclose(file) == 0 && written) || problem(r, path, "cannot be written");
}

static bool make_users(run *r)
{
    static const char *const add_users[] = {"user", "add", "--no-password", "-", NULL};
    static const char *const add_admin[] = {"user", "add", "--role", "admin", "--no-password", ADMIN, NULL};
    static const char *const make_tokens[] = {"token", "--ttl", "86400", "-", NULL};
    progress_show("adding the users");
    if (!write_names(r)) {
        return false;
    }
    if (!host_command(&r->host, add_users, "names", NULL) || !host_command(&r->host, add_admin, NULL, NULL)) {
        return problem(r, "cannot add the users", r->host.problem);
    }
    progress_show("making their tokens");
    if (!append_admin(r)) {
        return false;
    }
    if (!host_command(&r->host, make_tokens, "names", "tokens")) {
        return problem(r, "cannot make tokens", r->host.problem);
    }
    return read_tokens(r);
}

static bool make_rooms(run *r)
{
    progress_show("making the rooms");
    for (size_t i = 0; i < r->corpus->room_count && !host_is_interrupted(); i++) {
        char body[256];
        bytes answer = {0};
        (void)snprintf(body, sizeof body, "{\"room_id\":\"%s\",\"name\":\"%s\",\"kind\":\"public\"}", r->corpus->rooms[i].id,
                       r->corpus->rooms[i].id);
        const int status = rest_request(r->host.port, "POST", "/api/rooms", r->admin_token, body, &answer);
        if (status != 201) {
            char why[256];
            (void)snprintf(why, sizeof why, "POST /api/rooms answered %d %.*s", status, (int)(answer.len < 200 ? answer.len : 200),
                           answer.len > 0 ? answer.at : "");
            bytes_fini(&answer);
            return problem(r, r->corpus->rooms[i].id, why);
        }
        bytes_fini(&answer);
    }
    return true;
}

bool setup_all(run *r) { return make_users(r) && make_rooms(r); }
