/* What PASETO and PASERK are made of: base64url as they want it, and the names of keys. Private to the wire layer. Thread: any. */
#ifndef CONFAB_WIRE_PASETO_H
#define CONFAB_WIRE_PASETO_H

#include "wire_token.h"

#define PASETO_HEADER "v4.public."
#define PASETO_TOKEN_MAX 4096 /* bytes; larger ones are refused unread */

void base64url_append(buf *out, const void *p, size_t n); /* without padding */
/* Appends what the text stands for; false (and nothing appended) where it is not canonical: padding, foreign characters, set trailing bits.
 */
bool base64url_decode(span text, buf *out);
/* The text behind the dot of the footer and the text between header and footer; false where it is no v4.public token of bearable size.
 * An absent footer is {NULL,0}; a dot with nothing behind it is refused. */
bool paseto_split(span token, span *out_body, span *out_footer);

/* PASERK: the public key as text, and the id that a footer names it by (BLAKE2b-264 of that text). */
void paserk_append_public(buf *out, const unsigned char public_key[32]);             /* "k4.public.…" */
void paserk_public_id(const unsigned char public_key[32], char out[TOKEN_KID_SIZE]); /* "k4.pid.…" */

#endif
