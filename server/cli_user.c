/* confab user …: accounts, by the operator. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

/* ---- requests about many users at once ---- */

struct crowd {
    const struct cli_session *session;
    const struct cli_names *names;
    enum chat_op op;
    span role;        /* absent: leave, or the default */
    span hash;        /* absent: none */
    int disabled;     /* -1: leave */
    const char *done; /* past participle, for the report; NULL: no report */
    size_t changed, failed;
};

static struct chat_request *make(void *ctx, size_t i)
{
    struct crowd *c = ctx;
    struct chat_request *r = cli_request(c->session, c->op);
    if (!r) {
        c->failed++;
        return NULL;
    }
    r->args.user = span_of(c->names->list[i]);
    r->args.role = c->role;
    r->args.disabled = c->disabled;
    if (c->hash.p) r->args.new_password = arena_copy(&r->arena, c->hash); /* out of memory: absent, and refused or without a password */
    return r;
}

static void done(void *ctx, size_t i, const struct chat_request *r)
{
    struct crowd *c = ctx;
    if (confab_failed(r->job.result)) {
        c->failed++;
        cli_complain("%s: %s", c->names->list[i], confab_err_sentence(r->job.result));
        return;
    }
    c->changed++;
}

static int run_crowd(struct crowd *c)
{
    const struct cli_batch batch = {.ctx = c, .make = make, .done = done};
    if (!cli_run_batch(c->session, &batch, c->names->count)) return CLI_FAILED;
    if (c->names->count == 1 && c->failed == 0)
        (void)printf("%s %s\n", c->names->list[0], c->done);
    else if (c->names->count != 1)
        (void)printf("%zu %s, %zu refused\n", c->changed, c->done, c->failed);
    return c->failed ? CLI_FAILED : CLI_OK;
}

/* ---- passwords ---- */

/* Asks or reads, and hashes. */
static bool get_hash(bool from_stdin, const char *prompt, char hash[128])
{
    char password[1025] = "";
    bool ok = from_stdin ? cli_read_password(password) : cli_ask_password(prompt, true, password);
    if (ok) {
        confab_err e = chat_password_hash(span_of(password), hash);
        ok = !confab_failed(e);
        if (!ok) (void)cli_fail("the password", e, NULL);
    }
    sodium_memzero(password, sizeof password);
    return ok;
}

/* ---- commands ---- */

static bool check_role(const char *role)
{
    enum user_role parsed;
    if (!role || user_role_parse(span_of(role), &parsed)) return true;
    cli_complain("--role is \"%s\"; expected admin, moderator, member or bot", role);
    return false;
}

static int user_add(int argc, char **argv)
{
    const char *role = NULL;
    bool no_password = false, from_stdin = false;
    const struct cli_option options[] = {
        {"--role", &role, NULL}, {"--no-password", NULL, &no_password}, {"--password-stdin", NULL, &from_stdin}};
    struct cli_args args;
    struct cli_names names = {0};
    struct cli_session s = {0};
    char hash[128] = "";
    int status = CLI_FAILED;
    if (!cli_parse(argc, argv, options, 3, 1, -1, &args) || !check_role(role)) return CLI_USAGE;
    if (no_password && from_stdin) {
        cli_complain("--no-password and --password-stdin exclude each other");
        return CLI_USAGE;
    }
    for (int i = 0; i < args.count; i++) {
        if (from_stdin && strcmp(args.positional[i], "-") == 0) {
            cli_complain("names and a password cannot both come from standard input");
            return CLI_USAGE;
        }
    }
    if (!no_password && !get_hash(from_stdin, "Password", hash)) return CLI_FAILED;
    if (!cli_read_names(&args, &names) || !cli_session_open(&s, true)) goto out;
    struct crowd crowd = {.session = &s,
                          .names = &names,
                          .op = CHAT_CREATE_USER,
                          .role = role ? span_of(role) : (span){NULL, 0},
                          .hash = no_password ? (span){NULL, 0} : span_of(hash),
                          .disabled = -1,
                          .done = "added"};
    status = run_crowd(&crowd);
out:
    cli_session_close(&s);
    cli_names_free(&names);
    sodium_memzero(hash, sizeof hash);
    return status;
}

/* enable, disable, role: a change without a password. */
static int user_change(int argc, char **argv, int disabled, bool with_role)
{
    struct cli_args args;
    struct cli_names names = {0};
    struct cli_session s = {0};
    span role = {NULL, 0};
    int status = CLI_FAILED;
    if (!cli_parse(argc, argv, NULL, 0, with_role ? 2 : 1, with_role ? 2 : -1, &args)) return CLI_USAGE;
    if (with_role) {
        if (!check_role(args.positional[1])) return CLI_USAGE;
        role = span_of(args.positional[1]);
        args.count = 1;
    }
    if (!cli_read_names(&args, &names) || !cli_session_open(&s, false)) goto out;
    struct crowd crowd = {.session = &s,
                          .names = &names,
                          .op = CHAT_UPDATE_USER,
                          .role = role,
                          .disabled = disabled,
                          .done = with_role  ? "changed"
                                  : disabled ? "disabled"
                                             : "enabled"};
    status = run_crowd(&crowd);
out:
    cli_session_close(&s);
    cli_names_free(&names);
    return status;
}

static int user_passwd(int argc, char **argv)
{
    bool from_stdin = false;
    const struct cli_option options[] = {{"--password-stdin", NULL, &from_stdin}};
    struct cli_args args;
    struct cli_names names = {0};
    struct cli_session s = {0};
    char hash[128] = "";
    int status = CLI_FAILED;
    if (!cli_parse(argc, argv, options, 1, 1, 1, &args)) return CLI_USAGE;
    if (!get_hash(from_stdin, "New password", hash) || !cli_read_names(&args, &names) || !cli_session_open(&s, false)) goto out;
    struct crowd crowd = {
        .session = &s, .names = &names, .op = CHAT_SET_PASSWORD, .hash = span_of(hash), .disabled = -1, .done = "has a new password"};
    status = run_crowd(&crowd);
out:
    cli_session_close(&s);
    cli_names_free(&names);
    sodium_memzero(hash, sizeof hash);
    return status;
}

/* One page of the list; *after (64 bytes and NUL) is moved on. False: the end, or an error (told). */
static bool print_page(const struct cli_session *s, char after[USER_NAME_MAX + 1], int *status)
{
    struct chat_request *r = cli_request(s, CHAT_LIST_USERS);
    bool more = false;
    *status = CLI_FAILED;
    if (!r) return false;
    if (after[0]) r->args.after_name = span_of(after);
    r->args.limit = 200;
    confab_err e = chat_call(s->chat, r);
    if (confab_failed(e)) {
        (void)cli_fail("the list", e, NULL);
    } else {
        *status = CLI_OK;
        more = r->result.more && r->result.count > 0;
        for (size_t i = 0; i < r->result.count; i++) {
            const struct user *u = &r->result.list.users[i];
            (void)printf("%-24s %-10s %s%s\n", u->name, user_role_word(u->role), u->display_name, u->disabled ? "  (disabled)" : "");
        }
        if (more) (void)span_copy(span_of(r->result.list.users[r->result.count - 1].name), after, USER_NAME_MAX + 1);
    }
    chat_request_free(r);
    return more;
}

static int user_list(int argc, char **argv)
{
    struct cli_args args;
    struct cli_session s;
    char after[USER_NAME_MAX + 1] = "";
    int status = CLI_FAILED;
    if (!cli_parse(argc, argv, NULL, 0, 0, 0, &args)) return CLI_USAGE;
    if (!cli_session_open(&s, false)) return CLI_FAILED;
    while (print_page(&s, after, &status))
        continue;
    cli_session_close(&s);
    return status;
}

int cli_user(int argc, char **argv)
{
    static const char *const words[] = {"add", "list", "passwd", "disable", "enable", "role"};
    const char *word = argc > 0 ? argv[0] : "";
    if (strcmp(word, "add") == 0) return user_add(argc - 1, argv + 1);
    if (strcmp(word, "list") == 0) return user_list(argc - 1, argv + 1);
    if (strcmp(word, "passwd") == 0) return user_passwd(argc - 1, argv + 1);
    if (strcmp(word, "disable") == 0) return user_change(argc - 1, argv + 1, 1, false);
    if (strcmp(word, "enable") == 0) return user_change(argc - 1, argv + 1, 0, false);
    if (strcmp(word, "role") == 0) return user_change(argc - 1, argv + 1, -1, true);
    const char *near = cli_nearest(word, words, sizeof words / sizeof words[0]);
    if (near)
        cli_complain("user %s is not known; did you mean user %s?", word, near);
    else
        cli_complain("user needs one of add, list, passwd, disable, enable, role");
    return CLI_USAGE;
}
