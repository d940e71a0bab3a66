/* The agent's side of claims: the long poll that brings them, the acknowledgement, the heartbeat
 * that keeps them.  The protocol is in docs/agent-protocol.md.
 *
 *   claims_start --> POST work_pools (made when missing), then side by side
 *       POST claim, always one open: `claimed`, `cancel` --> POST claims/ack: `acked` or `lost`
 *       POST heartbeat, every 10 s and when the devices change: `lost`, `cancel`
 *
 * Errors: a server that is away is waited for; only an epoch that is over is fatal.
 * Thread: the loop thread. */
#pragma once
#include <jansson.h>

#include "worker/io/uv_curl.h"

struct claims;

struct claims_hooks {
    /* Whether it is taken; if so it is acknowledged next. */
    bool (*claimed)(void *ctx, json_t *claim);
    void (*acked)(void *ctx, const char *claim_id);
    void (*lost)(void *ctx, const char *claim_id);
    void (*cancel)(void *ctx, const char *flow_run_id, const char *why); /* NULL: not told */
    /* The claim is ours for so long, counted from `sent_us` (lease_now_us()). */
    void (*extended)(void *ctx, const char *claim_id, int64_t sent_us, double lease_s);
    void (*look)(void *ctx, double lease_s);        /* every half second; 0: not known yet */
    void (*returns)(void *ctx, const char *device); /* its quarantine is over */
    /* A heartbeat that told these devices was answered: the names of those that people keep. */
    void (*answered)(void *ctx, const json_t *told, const json_t *held);
    /* New references. */
    json_t *(*live)(void *ctx);    /* ids of the claims that the agent works on */
    json_t *(*devices)(void *ctx); /* as in the protocol */
    void (*fatal)(void *ctx, const char *reason);
    void *ctx;
};

struct claims_options {
    uv_loop_t *loop;
    struct http *http;
    const char *api_url; /* borrowed, as the other texts */
    const char *agent, *name, *pool;
    int64_t epoch;
    int slots;
    struct claims_hooks hooks;
};

/* NULL: out of memory. */
struct claims *claims_start(const struct claims_options *o);
/* Takes no more work; goes on with heartbeats and cancellations. */
void claims_drain(struct claims *c);
void claims_stop(struct claims *c);
