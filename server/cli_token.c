/* confab token …: access tokens for bots, scripts and tests. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "confab/clock.h"

#define DEFAULT_TTL_S 86400
#define LONGEST_TTL_S (10LL * 365 * 86400)

struct minting {
    const struct cli_session *session;
    const struct cli_names *names;
    keyring *keys;
    int64_t ttl_s;
    char **tokens; /* by item; NULL where it failed */
    size_t failed;
};

static struct chat_request *make(void *ctx, size_t i)
{
    struct minting *m = ctx;
    struct chat_request *r = cli_request(m->session, CHAT_GET_USER);
    if (r)
        r->args.user = span_of(m->names->list[i]);
    else
        m->failed++;
    return r;
}

static confab_err mint(const struct minting *m, const struct user *u, buf *out)
{
    unsigned char random[16];
    struct token_claims claims = {.role = u->role, .token_epoch = u->token_epoch, .issued_ms = clock_wall_ms()};
    if (u->disabled) return confab_fail_msg(CONFAB_FORBIDDEN, "The account is disabled");
    (void)span_copy(span_of(u->name), claims.sub, sizeof claims.sub); /* both have USER_NAME_MAX */
    claims.expires_ms = claims.issued_ms + m->ttl_s * 1000;
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(claims.jti, sizeof claims.jti, random, sizeof random);
    return token_sign(m->keys, &claims, out);
}

static void done(void *ctx, size_t i, const struct chat_request *r)
{
    struct minting *m = ctx;
    buf token = {0};
    confab_err e = r->job.result;
    if (!confab_failed(e)) e = mint(m, &r->result.user, &token);
    if (!confab_failed(e) && !token.failed) m->tokens[i] = strdup(buf_cstr(&token));
    if (!m->tokens[i]) {
        m->failed++;
        cli_complain("%s: %s", m->names->list[i], confab_failed(e) ? confab_err_sentence(e) : "out of memory");
    }
    buf_free(&token);
}

static bool read_ttl(const char *text, int64_t *out)
{
    *out = DEFAULT_TTL_S;
    if (!text || (span_to_int64(span_of(text), out) && *out > 0 && *out <= LONGEST_TTL_S)) return true;
    cli_complain("--ttl is \"%s\"; expected seconds, 1 to %lld", text, LONGEST_TTL_S);
    return false;
}

static int mint_all(struct minting *m)
{
    const struct cli_batch batch = {.ctx = m, .make = make, .done = done};
    confab_err e = cli_load_keys(m->session->store, &m->keys);
    if (confab_failed(e)) return cli_fail("the signing keys", e, NULL);
    m->tokens = calloc(m->names->count + 1, sizeof *m->tokens);
    bool ran = m->tokens && cli_run_batch(m->session, &batch, m->names->count);
    for (size_t i = 0; ran && i < m->names->count; i++) {
        if (!m->tokens[i]) continue;
        if (m->names->count > 1)
            (void)printf("%s %s\n", m->names->list[i], m->tokens[i]);
        else
            (void)printf("%s\n", m->tokens[i]);
    }
    for (size_t i = 0; m->tokens && i < m->names->count; i++)
        free(m->tokens[i]);
    free(m->tokens);
    keyring_free(m->keys);
    return ran && m->failed == 0 ? CLI_OK : CLI_FAILED;
}

int cli_token(int argc, char **argv)
{
    const char *ttl = NULL;
    const struct cli_option options[] = {{"--ttl", &ttl, NULL}};
    struct cli_args args;
    struct cli_names names = {0};
    struct cli_session s = {0};
    struct minting m = {.session = &s, .names = &names};
    int status = CLI_FAILED;
    if (!cli_parse(argc, argv, options, 1, 1, -1, &args) || !read_ttl(ttl, &m.ttl_s)) return CLI_USAGE;
    if (cli_read_names(&args, &names) && cli_session_open(&s, false)) status = mint_all(&m);
    cli_session_close(&s);
    cli_names_free(&names);
    return status;
}
