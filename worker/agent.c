#include "worker/agent.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "worker/config.h"
#include "worker/lab/bench.h"
#include "worker/lab/inventory.h"
#include "worker/lab/roll_call.h"
#include "worker/run/claim.h"
#include "worker/run/process_orphan.h"
#include "worker/run/run.h"
#include "worker/run/run_folder.h"
#include "worker/trim.h"

enum {
    EXIT_START = 1,
    EXIT_TAKEN = 3,
    ORPHAN_TIMEOUT_MS = 5000,
    DELIVER_TIMEOUT_MS = 5000,
    DELIVER_LOOK_MS = 20,
    TRIM_AFTER_MS = 1000,
    PATH_BYTES = 4096,
};

#define JOURNAL_MAX_BYTES (256LL << 20)

enum phase { CATCHING_UP, WORKING, DRAINING, STOPPING, DELIVERING, ENDING };

struct agent {
    struct agent_config config;
    enum phase phase;
    int exit_status;
    uv_loop_t loop;
    struct http *http;
    struct journal *journal;
    struct claims *claims;
    struct lab *lab;
    struct roll_call *roll_call;
    struct inventory inventory;
    struct run_host host;
    uv_signal_t signals[2]; /* TERM, INT */
    uv_timer_t deadline;    /* until the agent rests; of a drain; of the last delivery */
    uint64_t deliver_until_ms;
    char journal_url[PATH_BYTES];
    int lock_fd;
};

static void check_drained(struct agent *agent);

/* ---- the end ---- */

static void on_lab_closed(void *ctx)
{
    (void)ctx;
}

static void end(struct agent *agent)
{
    agent->phase = ENDING;
    claims_stop(agent->claims);
    roll_call_free(agent->roll_call);
    agent->roll_call = NULL;
    journal_close(agent->journal);
    http_free(agent->http);
    run_host_close(&agent->host);
    uv_close((uv_handle_t *)&agent->signals[0], NULL);
    uv_close((uv_handle_t *)&agent->signals[1], NULL);
    uv_close((uv_handle_t *)&agent->deadline, NULL);
    lab_close(agent->lab, on_lab_closed, NULL);
}

static void on_deliver_look(uv_timer_t *timer)
{
    struct agent *agent = timer->data;
    bool over = uv_now(&agent->loop) >= agent->deliver_until_ms;

    if (!journal_drained(agent->journal) && !over)
        return;
    if (over)
        log_warn("agent.undelivered",
                 KV_S("detail", "the next start delivers the rest of the journal"));
    end(agent);
}

static void deliver(struct agent *agent)
{
    agent->phase = DELIVERING;
    agent->deliver_until_ms = uv_now(&agent->loop) + DELIVER_TIMEOUT_MS;
    uv_timer_start(&agent->deadline, on_deliver_look, 0, DELIVER_LOOK_MS);
}

static void stop_runs(struct agent *agent)
{
    agent->phase = STOPPING;
    log_info("agent.stop", KV_I("runs", (int64_t)agent->host.count));
    for (struct run *run = agent->host.runs, *next; run; run = next) {
        next = run->next;
        run->lost = true;
        /* One that is not acknowledged yet returns to the queue by itself. */
        run_event(run, run->state == RUN_OFFERED ? EV_LOST : EV_CANCEL);
    }
    check_drained(agent);
}

static void on_drain_timeout(uv_timer_t *timer)
{
    stop_runs(timer->data);
}

static void drain(struct agent *agent)
{
    log_info("agent.drain", KV_I("runs", (int64_t)agent->host.count));
    agent->phase = DRAINING;
    if (agent->claims)
        claims_drain(agent->claims);
    uv_timer_start(&agent->deadline, on_drain_timeout,
                   (uint64_t)agent->config.drain_timeout_s * 1000, 0);
    check_drained(agent);
}

static void check_drained(struct agent *agent)
{
    if ((agent->phase == DRAINING || agent->phase == STOPPING) && !agent->host.count)
        deliver(agent);
}

static void on_signal(uv_signal_t *handle, int signal)
{
    struct agent *agent = handle->data;

    (void)signal;
    if (agent->phase < DRAINING)
        drain(agent);
    else if (agent->phase == DRAINING)
        stop_runs(agent);
}

/* ---- news from claims and journal ---- */

static bool on_claimed(void *ctx, json_t *claim)
{
    struct agent *agent = ctx;
    struct err err = {0};

    if (agent->phase != WORKING)
        return false;
    if (run_new(&agent->host, claim, &err) == ERR_OK)
        return true;
    log_warn("claim.refused", KV_E(&err));
    return false;
}

static void on_acked(void *ctx, const char *claim_id)
{
    struct agent *agent = ctx;
    struct run *run = run_find(&agent->host, claim_id);
    if (run)
        run_event(run, EV_ACKED);
}

static void on_lost(void *ctx, const char *claim_id)
{
    struct agent *agent = ctx;
    struct run *run = run_find(&agent->host, claim_id);
    if (!run)
        return;
    log_warn("claim.lost", KV_S("run", run->flow_run_id));
    run_event(run, EV_LOST);
}

static void on_cancel(void *ctx, const char *flow_run_id, const char *why)
{
    struct agent *agent = ctx;
    struct run *run = run_find_flow_run(&agent->host, flow_run_id);
    if (!run)
        return;
    if (run->state == RUN_STARTING || run->state == RUN_RUNNING)
        run->cancelled = true;
    if (why && !run->why_stopped)
        run->why_stopped = arena_printf(&run->arena, "The run was cancelled: %s", why);
    run_event(run, EV_CANCEL);
}

static void on_extended(void *ctx, const char *claim_id, int64_t sent_us, double lease_s)
{
    struct agent *agent = ctx;
    struct run *run = run_find(&agent->host, claim_id);
    if (run)
        lease_extend(&run->lease, sent_us, lease_s);
}

static void on_look(void *ctx, double lease_s)
{
    struct agent *agent = ctx;
    run_host_leases(&agent->host, lease_s);
    if (agent->roll_call)
        roll_call_look(agent->roll_call);
}

static void on_return(void *ctx, const char *device)
{
    struct agent *agent = ctx;
    const struct bench *bench = agent->lab ? lab_find(agent->lab, device) : NULL;
    if (bench)
        lab_return(agent->lab, bench);
}

static void on_answered(void *ctx, const json_t *told, const json_t *held)
{
    struct agent *agent = ctx;
    if (agent->roll_call)
        roll_call_answered(agent->roll_call, told, held);
}

static bool is_used(void *ctx, const struct bench *bench)
{
    struct agent *agent = ctx;
    return run_host_uses(&agent->host, bench);
}

static json_t *live_claims(void *ctx)
{
    struct agent *agent = ctx;
    json_t *list = json_array();

    for (struct run *run = agent->host.runs; run; run = run->next)
        if (run->state != RUN_ABANDONING)
            json_array_append_new(list, json_string(run->claim_id));
    return list;
}

static json_t *devices(void *ctx)
{
    struct agent *agent = ctx;
    return inventory_devices(&agent->inventory);
}

static void on_fatal(void *ctx, const char *reason)
{
    struct agent *agent = ctx;

    log_warn("agent.replaced", KV_S("reason", reason));
    agent->exit_status = EXIT_TAKEN;
    stop_runs(agent);
}

static void on_journal_full(void *ctx, bool full)
{
    struct agent *agent = ctx;
    run_host_hold(&agent->host, full);
}

static void on_settled(uv_timer_t *timer)
{
    struct agent *agent = timer->data;

    if (!agent->host.count)
        trim_memory();
}

static void on_caught_up(void *ctx)
{
    struct agent *agent = ctx;

    if (agent->phase != CATCHING_UP)
        return;
    agent->phase = WORKING;
    agent->claims = claims_start(&(struct claims_options){
        .loop = &agent->loop,
        .http = agent->http,
        .api_url = agent->config.api_url,
        .agent = journal_agent(agent->journal),
        .name = agent->config.name,
        .pool = agent->config.pool,
        .epoch = journal_epoch(agent->journal),
        .slots = (int)agent->config.slots,
        .hooks = {on_claimed, on_acked, on_lost, on_cancel, on_extended, on_look, on_return,
                  on_answered, live_claims, devices, on_fatal, agent},
    });
    if (!agent->claims)
        abort(); /* out of memory at start */
    uv_timer_start(&agent->deadline, on_settled, TRIM_AFTER_MS, 0);
    log_info("agent.ready", KV_S("server", agent->config.api_url), KV_S("pool", agent->config.pool),
             KV_S("name", agent->config.name), KV_I("slots", agent->config.slots));
}

/* The server did not take a state as proposed: if the run is over or somebody else's, so is the
 * work here. */
static void on_verdict(void *ctx, const char *flow_run_id, const char *status,
                       const char *state_type, const char *reason)
{
    struct agent *agent = ctx;
    struct run *run = run_find_flow_run(&agent->host, flow_run_id);

    (void)reason;
    if (!run)
        return;
    if (strcmp(status, "REFUSED") == 0)
        run_event(run, EV_LOST);
    else if (run->state == RUN_RUNNING && strcmp(state_type, "RUNNING") != 0)
        run_event(run, EV_CANCEL);
}

static void on_run_ended(void *ctx, struct run *run)
{
    struct agent *agent = ctx;

    (void)run;
    if (agent->phase == WORKING && !agent->host.count)
        uv_timer_start(&agent->deadline, on_settled, TRIM_AFTER_MS, 0);
    check_drained(agent);
}

/* ---- the start ---- */

static enum err_code make_folders(const char *path, struct err *e)
{
    char part[PATH_BYTES];

    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
        mkdir(part, 0755);
    }
    if (mkdir(path, 0700) && errno != EEXIST)
        return err_set(e, IO, "--data %s: %s", path, strerror(errno));
    return ERR_OK;
}

static enum err_code open_data(struct agent *agent, struct err *e)
{
    char path[PATH_BYTES];
    const char *data = agent->config.data;

    enum err_code rc = make_folders(data, e);
    if (rc)
        return rc;
    snprintf(path, sizeof(path), "%s/lock", data);
    agent->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (agent->lock_fd < 0)
        return err_set(e, IO, "--data %s: %s", data, strerror(errno));
    if (flock(agent->lock_fd, LOCK_EX | LOCK_NB))
        return err_set(e, CONFLICT, "--data %s: another switchyard-worker uses this folder", data);
    snprintf(path, sizeof(path), "%s/runs", data);
    run_folder_remove(path);
    return make_folders(path, e);
}

static enum err_code open_journal(struct agent *agent, struct err *e)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof(path), "%s/journal.db", agent->config.data);
    snprintf(agent->journal_url, sizeof(agent->journal_url), "%s/switchyard/journal",
             agent->config.api_url);
    return journal_open(
        &(struct journal_options){.loop = &agent->loop,
                                  .http = agent->http,
                                  .path = path,
                                  .url = agent->journal_url,
                                  .max_bytes = JOURNAL_MAX_BYTES,
                                  .hooks = {on_journal_full, on_caught_up, on_verdict, agent}},
        &agent->journal, e);
}

/* Nothing that an earlier start of this agent left running may go on next to a new attempt. */
static void kill_orphans(struct agent *agent)
{
    const char *id = journal_agent(agent->journal);
    int count = orphans_kill(id, ORPHAN_TIMEOUT_MS);

    if (count)
        log_warn("agent.orphans", KV_I("killed", count));
    setenv(ORPHAN_MARK, id, 1);
}

static void watch_signals(struct agent *agent)
{
    static const int numbers[] = {SIGTERM, SIGINT};

    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 2; i++) {
        uv_signal_init(&agent->loop, &agent->signals[i]);
        agent->signals[i].data = agent;
        uv_signal_start(&agent->signals[i], on_signal, numbers[i]);
    }
    uv_timer_init(&agent->loop, &agent->deadline);
    agent->deadline.data = agent;
}

static enum err_code open_agent(struct agent *agent, struct err *e)
{
    const struct agent_config *config = &agent->config;

    enum err_code rc = open_data(agent, e);
    if (rc)
        return rc;
    agent->http = http_new(&agent->loop, config->authorization);
    if (!agent->http)
        return err_set(e, INTERNAL, "out of memory");
    rc = open_journal(agent, e);
    if (rc)
        return rc;
    kill_orphans(agent);
    rc = inventory_check(config->benches, config->devices, e);
    if (rc)
        return rc;
    rc = lab_open(&agent->lab, &agent->loop, config->benches, config->data, NULL, e);
    if (rc)
        return rc;
    char health[PATH_BYTES];
    snprintf(health, sizeof(health), "%s/health.json", config->data);
    lab_keep_health(agent->lab, health);
    agent->roll_call = roll_call_new(&agent->loop, agent->lab, is_used, agent);
    if (!agent->roll_call)
        return err_set(e, INTERNAL, "out of memory");
    agent->inventory = (struct inventory){.lab = agent->lab,
                                          .roll_call = agent->roll_call,
                                          .declared = config->devices,
                                          .discover = !config->hide};
    agent->host = (struct run_host){
        .loop = &agent->loop,
        .http = agent->http,
        .journal = agent->journal,
        .lab = agent->lab,
        .roll_call = agent->roll_call,
        .api_url = config->api_url,
        .auth_string = config->auth_string,
        .authorization = config->authorization,
        .data_dir = config->data,
        .agent_name = config->name,
        .ended = on_run_ended,
        .ctx = agent,
    };
    run_host_init(&agent->host);
    watch_signals(agent);
    return ERR_OK;
}

static int run_agent(struct agent *agent)
{
    struct err err = {0};

    agent->lock_fd = -1;
    uv_loop_init(&agent->loop);
    if (open_agent(agent, &err)) {
        fprintf(stderr, "switchyard-worker: %s\n", err.detail);
        agent->exit_status = err.code == ERR_CONFLICT ? EXIT_TAKEN : EXIT_START;
        journal_close(agent->journal);
        http_free(agent->http);
    }
    uv_run(&agent->loop, UV_RUN_DEFAULT);
    uv_loop_close(&agent->loop);
    if (agent->lock_fd >= 0)
        close(agent->lock_fd);
    return agent->exit_status;
}

int agent_main(int argc, char *argv[])
{
    struct arena arena = {0};
    struct agent *agent = calloc(1, sizeof(*agent));
    struct err err = {0};
    int status = EXIT_START;

    mallopt(M_ARENA_MAX, 1); /* the journal's thread needs no heap of its own */
    if (!agent || agent_config_read(&arena, argc, argv, &agent->config, &err))
        fprintf(stderr, "switchyard-worker: %s\n", err.detail);
    else if (agent->config.help)
        agent_config_help(), status = EXIT_SUCCESS;
    else if (agent->config.version)
        puts("switchyard-worker " VERSION), status = EXIT_SUCCESS;
    else if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        status = run_agent(agent);
    if (agent)
        inventory_close(&agent->inventory);
    free(agent);
    arena_reset(&arena);
    return status;
}
