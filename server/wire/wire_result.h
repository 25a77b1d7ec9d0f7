/* Objects that both carriers share, one function each, so that they cannot differ. Private to the wire layer. Thread: any. */
#ifndef CONFAB_WIRE_RESULT_H
#define CONFAB_WIRE_RESULT_H

#include "wire.h"

/* The room's public id: as the domain resolved it, else as the client named it. */
span result_room_slug(const struct chat_request *r);
/* The room's number, for questions about presence; 0 where it is unknown. */
int64_t result_room_id(const struct chat_request *r);
int64_t result_online(const struct wire_presence *p, int64_t room_id);

/* Members without the braces, so that each carrier adds its own. */
void result_out_ack(buf *out, const struct chat_request *r);    /* "room_id":…,"client_id":…,"id":…,"timestamp":…,"duplicate":… */
void result_out_events(buf *out, const struct chat_request *r); /* the array */

#endif
