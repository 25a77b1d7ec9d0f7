/* fanout.c: see fanout.h. */
#include "fanout.h"

#include "proc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Every text begins with when it was sent, its slot and its number, in hexadecimal digits. */
    TIME_AT = 0,
    TIME_DIGITS = 16,
    SLOT_AT = 17,
    SLOT_DIGITS = 4,
    NUMBER_AT = 22,
    NUMBER_DIGITS = 10,
    TAG_LEN = 33,
    STUCK_S = 10,
};

static uint64_t read_hex(const char *at, size_t digits)
{
    uint64_t value = 0;
    for (size_t i = 0; i < digits; i++) {
        const char c = at[i];
        value = value << 4 | (uint64_t)(c >= 'a' ? c - 'a' + 10 : c - '0');
    }
    return value;
}

/* Lets the next member in turn say the next message of a room. */
static void say_next(fanout *f, unsigned room, unsigned slot)
{
    fanout_room *state = &f->rooms[room];
    const unsigned rooms = f->crowd->config.rooms;
    client *sender = NULL;
    do {
        sender = &f->crowd->clients[room + rooms * (state->next_sender++ % f->members)];
    } while (sender == f->left_out);

    char tag[TAG_LEN + 1];
    (void)snprintf(tag, sizeof tag, "%016" PRIx64 ".%04x.%010" PRIx64 " ", (uint64_t)swarm_now_ns(), slot & 0xFFFFU,
                   state->next_number & 0xFFFFFFFFFFU);
    memcpy(f->text, tag, TAG_LEN);
    f->slots[room * f->in_flight + slot] = (fanout_slot){
        .number = state->next_number++,
        .remaining = f->members - (f->left_out != NULL && f->left_out->room == room),
    };
    if (!crowd_say(sender, f->text, f->text_len, NULL)) {
        crowd_fail(f->crowd, "client %u cannot send", sender->index);
    }
}

void fanout_on_frame(client *c, const crowd_frame *frame)
{
    fanout *f = c->crowd->config.user;
    if (!frame->is_event || frame->message.len < TAG_LEN || c == f->left_out) {
        return;
    }
    const unsigned slot = (unsigned)read_hex(frame->message.at + SLOT_AT, SLOT_DIGITS);
    if (slot >= f->in_flight) {
        return;
    }
    fanout_slot *under_way = &f->slots[c->room * f->in_flight + slot];
    if (under_way->remaining == 0 || under_way->number != read_hex(frame->message.at + NUMBER_AT, NUMBER_DIGITS)) {
        return; /* from an earlier part of the run */
    }
    f->deliveries++;
    histogram_add(&f->latency, swarm_read_at_ns(c->crowd->swarm) - (int64_t)read_hex(frame->message.at + TIME_AT, TIME_DIGITS));
    if (--under_way->remaining > 0) {
        return;
    }
    if (f->refill) {
        say_next(f, c->room, slot);
    } else {
        f->under_way--;
    }
}

void fanout_start(fanout *f)
{
    f->refill = true;
    for (unsigned room = 0; room < f->crowd->config.rooms; room++) {
        for (unsigned slot = 0; slot < f->in_flight; slot++) {
            f->under_way++;
            say_next(f, room, slot);
        }
    }
}

/* Polls until `until_ns`, or (where that is 0) until nothing is under way. */
static bool run_until(fanout *f, int64_t until_ns)
{
    int64_t moved_ns = swarm_now_ns();
    uint64_t frames = f->crowd->frames;
    while (f->crowd->faults.errors == 0) {
        const int64_t now_ns = swarm_now_ns();
        if (until_ns > 0 ? now_ns >= until_ns : f->under_way == 0) {
            return true;
        }
        if (frames != f->crowd->frames) {
            frames = f->crowd->frames;
            moved_ns = now_ns;
        } else if (now_ns - moved_ns > (int64_t)STUCK_S * 1000000000) {
            crowd_fail(f->crowd, "nothing came for %d s with %u messages under way", STUCK_S, f->under_way);
        }
        crowd_poll(f->crowd, 10);
    }
    return false;
}

bool fanout_measure(fanout *f, const load_options *options, unsigned seconds, fanout_sample *out_sample)
{
    f->deliveries = 0;
    memset(&f->latency, 0, sizeof f->latency);
    load_cost cost = load_cost_start(options);
    const bool ok = run_until(f, swarm_now_ns() + (int64_t)seconds * 1000000000);
    load_cost_stop(&cost);
    *out_sample = (fanout_sample){.cost = cost, .deliveries = f->deliveries, .latency = f->latency};
    return ok;
}

bool fanout_drain(fanout *f)
{
    f->refill = false;
    return run_until(f, 0);
}

bool fanout_init(fanout *f, const load_options *options, crowd_callbacks callbacks)
{
    *f = (fanout){
        .in_flight = options->in_flight,
        .members = options->members,
        .text_len = options->text_bytes > TAG_LEN ? options->text_bytes : TAG_LEN,
    };
    f->rooms = calloc(options->rooms, sizeof *f->rooms);
    f->slots = calloc((size_t)options->rooms * options->in_flight, sizeof *f->slots);
    f->text = malloc(f->text_len);
    f->crowd = load_new_crowd(options, options->rooms * options->members, callbacks, f);
    if (f->rooms == NULL || f->slots == NULL || f->text == NULL || f->crowd == NULL) {
        (void)fprintf(stderr, "no crowd of %u × %u\n", options->rooms, options->members);
        fanout_fini(f);
        return false;
    }
    memset(f->text, 'x', f->text_len);
    return true;
}

void fanout_fini(fanout *f)
{
    crowd_free(f->crowd);
    free(f->rooms);
    free(f->slots);
    free(f->text);
    *f = (fanout){0};
}

/* ---- the scenario ---- */

int load_fanout(const load_options *options)
{
    report r = report_start("fanout", options->json);
    const unsigned clients = options->rooms * options->members;
    if (clients == 0 || options->in_flight == 0) {
        (void)fprintf(stderr, "fanout needs --rooms, --members and --in-flight\n");
        return report_finish(&r, false);
    }
    fanout f;
    if (!fanout_init(&f, options, (crowd_callbacks){.on_frame = fanout_on_frame})) {
        return report_finish(&r, false);
    }
    report_count(&r, "rooms", options->rooms, "");
    report_count(&r, "members", options->members, "each");
    report_count(&r, "in_flight", options->in_flight, "messages per room");
    report_count(&r, "text_bytes", f.text_len, "bytes");
    const int64_t before_bytes = proc_resident_bytes(options->server_pid);
    static fanout_sample sample;
    if (load_enter_all(f.crowd, options)) {
        load_report_memory(&r, options, before_bytes, clients);
        fanout_start(&f);
        if (fanout_measure(&f, options, options->warmup, &sample) && fanout_measure(&f, options, options->seconds, &sample)) {
            (void)fanout_drain(&f);
            report_number(&r, "deliveries_per_s", (double)sample.deliveries / sample.cost.seconds, "deliveries/s");
            report_number(&r, "messages_per_s", (double)sample.deliveries / sample.cost.seconds / options->members, "messages/s");
            report_latency(&r, "", &sample.latency);
            load_report_cost(&r, &sample.cost);
            if (options->server_pid > 0 && sample.deliveries > 0) {
                report_number(&r, "cpu_s_per_million", sample.cost.server_cpu_s * 1e6 / (double)sample.deliveries,
                              "server CPU seconds per million deliveries");
            }
        }
    }
    load_report_faults(&r, f.crowd);
    const bool clean = crowd_is_clean(f.crowd);
    fanout_fini(&f);
    return report_finish(&r, clean);
}
