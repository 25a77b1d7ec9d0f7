/* From a token to who asks. A token names the user; the domain wants the store's number. The number of a name never changes, so it
 * is remembered without a limit in time; whether the user may still do anything is asked when the request runs.
 * Thread: any. */
#ifndef CONFAB_HTTP_IDENTITY_H
#define CONFAB_HTTP_IDENTITY_H

#include <pthread.h>

#include "chat.h"
#include "wire_token.h"

#define HTTP_IDENTITIES 1024 /* a power of two */

struct http_identities {
    pthread_mutex_t lock;
    struct {
        char name[USER_NAME_MAX + 1];
        int64_t user_id; /* 0: the slot is empty */
    } slot[HTTP_IDENTITIES];
};

void http_identities_init(struct http_identities *h);
void http_identities_fini(struct http_identities *h);
int64_t http_identities_get(struct http_identities *h, const char *name); /* 0: not known here */
void http_identities_put(struct http_identities *h, const char *name, int64_t user_id);

/* The actor that a valid token claims to be, user_id still 0. AUTH_REQUIRED where the token is absent, AUTH_FAILED where it is void. */
CONFAB_MUST_CHECK confab_err http_identity_claim(const keyring *keys, span token, const char *address, struct chat_actor *out);
/* The same, confirmed by the store now (CHAT_AUTHENTICATE): role and number are the store's. */
CONFAB_MUST_CHECK confab_err http_identity_confirm(chat *c, struct chat_actor *inout);

#endif
