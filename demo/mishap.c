/* mishap.c: what goes wrong on purpose, and what should not. See run.h. */
#include "run.h"

#include <stdio.h>
#include <sys/wait.h>

enum { CRASHES_MAX = 10 };

static void start_again(run *r)
{
    r->server_was_reached = false;
    if (!host_start(&r->host)) {
        r->fatal = true;
        (void)snprintf(r->problem, sizeof r->problem, "%s", r->host.problem);
    }
}

static void kill_now(swarm_timer *timer, void *user)
{
    run *r = user;
    (void)timer;
    r->kill_armed = false;
    if (r->host.pid == 0) {
        return; /* it has just ended by itself; mishap_sweep() tells */
    }
    host_kill(&r->host);
    r->stats.kills++;
    start_again(r);
}

/* A kill waits until the server of the last one has let somebody in: what is dead cannot be killed. */
static void arm_due_kill(run *r)
{
    const plan *p = &r->plan;
    if (r->kill_armed || !r->server_was_reached || r->next_kill == p->kill_count || r->done_lines < p->kills[r->next_kill].at_line) {
        return;
    }
    const uint32_t delay_ms = p->kills[r->next_kill].delay_ms;
    r->next_kill++;
    r->kill_armed = swarm_arm(r->swarm, &r->kill_timer, delay_ms, kill_now, r);
}

void mishap_on_progress(run *r)
{
    const plan *p = &r->plan;
    while (r->next_drop < p->drop_count && r->done_lines >= p->drops[r->next_drop].at_line) {
        const plan_drop *drop = &p->drops[r->next_drop++];
        person_drop(r, drop->user, drop->away_ms, drop->polite);
    }
    arm_due_kill(r);
}

void mishap_sweep(run *r)
{
    int status = 0;
    if (host_has_ended(&r->host, &status)) {
        (void)snprintf(r->last_error, sizeof r->last_error, "the server ended by itself (%s %d)",
                       WIFEXITED(status) ? "exit code" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        (void)fprintf(stderr, "\nconfab-demo: %s\n", r->last_error);
        host_print_log(&r->host);
        if (++r->stats.crashes >= CRASHES_MAX) {
            r->fatal = true;
            (void)snprintf(r->problem, sizeof r->problem, "%s, for the %dth time", r->last_error, CRASHES_MAX);
            return;
        }
        start_again(r);
    }
    if (r->talk_start_ns != 0) {
        arm_due_kill(r);
    }
}

bool mishap_is_over(const run *r) { return !r->kill_armed && r->next_kill == r->plan.kill_count && r->next_drop == r->plan.drop_count; }
