/* What is between worker_channel.c (the loop) and worker_channel_jobs.c (the database). */
#pragma once
#include "server/api/socket_jobs.h"
#include "server/api/worker_channel.h"
#include "server/model/worker_channel.h"
#include "server/store/worker_cleanup.h"

enum { LOOK_EVERY_MS = 5000, FRAME_MAX_BYTES = 4 << 20, IN_FLIGHT_MAX = 100, DIGEST_BYTES = 40 };

#define CLOSE_PROTOCOL 1002, "protocol_error"
#define CLOSE_NO_POOL  1008, "authorization_failed"

enum phase { CONNECTED, GREETING, OPEN };

/* Lives until its connection is gone and none of its jobs is under way. */
struct channel {
    struct channel *next, **at; /* list of all that are open */
    struct worker_channels *all;
    struct websocket *ws; /* NULL when gone */
    enum phase phase;
    size_t pending;
    bool looking, look_again;
    bool taking;        /* one message at a time: in_flight has room for it */
    struct arena arena; /* what follows */
    const char *pool;
    struct channel_hello *hello;
    struct uuids queues;
    char pool_id[UUID_TEXT_BYTES], shown[DIGEST_BYTES];
    int64_t sequence;
    struct in_flight {
        struct uuid id;
        int64_t until_us; /* monotonic */
    } in_flight[IN_FLIGHT_MAX];
    size_t in_flight_count;
};

struct worker_channels {
    struct server *server;
    uv_timer_t timer;
    struct channel *first;
};

/* One question to the database, and what is to be sent. */
struct job {
    struct socket_job job;
    struct channel *channel;
    struct arena arena; /* what a frame said */
    const struct channel_cleanup *cleanup;
    enum cleanup_operation operation;
    struct uuid frame_id;
    int64_t sequence;
    /* the answer */
    struct buf frame;
    uint16_t close_code;
    const char *close_reason;
    char pool_id[UUID_TEXT_BYTES], digest[DIGEST_BYTES];
    struct uuids queues; /* malloc */
    struct uuid message;
    bool sent, finished;
};

typedef enum err_code job_fn(struct work *w, struct socket_job *job);
job_fn channel_greet, channel_look, channel_beat, channel_take, channel_cleanup_do;
