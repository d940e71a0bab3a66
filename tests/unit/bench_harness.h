/* A lab with one emulated bench, driven by a thread of its own, for steps that use a bench.
 *
 *   bench_folder();   ... files that the lab shall find
 *   bench_open(config, simulator);   ... lab
 *   bench_close(); */
#pragma once
#include "tests/unit/sim_harness.h"
#include "worker/lab/bench.h"

static char folder[64];
static struct lab *lab;
static uv_loop_t loop; /* of the lab, driven by a thread beside the step's own */
static uv_thread_t thread;
static uv_async_t stop;
static uv_sem_t ready;

static void on_stop(uv_async_t *async)
{
    uv_close((uv_handle_t *)async, NULL);
    lab_close(lab, NULL, NULL);
}

static void run_lab(void *unused)
{
    (void)unused;
    while (lab_at(lab, 0)->status != BENCH_READY)
        uv_run(&loop, UV_RUN_ONCE);
    uv_sem_post(&ready);
    uv_run(&loop, UV_RUN_DEFAULT);
}

static void bench_folder(void)
{
    strcpy(folder, "/tmp/test_bench-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

/* `simulator`: its program. */
static void bench_open(const char *benches, const char *simulator)
{
    struct err e = {0};
    json_t *config = json_loads(benches, 0, NULL);

    uv_loop_init(&loop);
    uv_sem_init(&ready, 0);
    ck_assert_msg(!lab_open(&lab, &loop, config, folder, simulator, &e), "%s", e.detail);
    json_decref(config);
    uv_async_init(&loop, &stop, on_stop);
    uv_thread_create(&thread, run_lab, NULL);
    uv_sem_wait(&ready);
}

static void bench_close(void)
{
    char command[100];

    uv_async_send(&stop);
    uv_thread_join(&thread);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}
