/* board.flash in a test: one bench whose meter and board are the simulator, its QEMU a script that
 * sends what stands in the image behind the ELF mark.
 *
 *   flash_prepare(&sim, "");  lab = flash_lab(&loop, &sim, "openocd", "{}");  flash_run(&h, &sim,
 * lab, 120);  flash_over(...) */
#pragma once
#include "tests/unit/sim_harness.h"
#include "tests/unit/step_harness.h"
#include "worker/lab/board.h"

#define FLASH_BANNER "SY-BOOT build=b7 target=t model=m\n"
#define FLASH_QEMU   "#!/bin/sh\nsed -n '2,$p' \"$4\"\nexec cat >/dev/null\n"

static inline void flash_put(uint8_t *at, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

/* An image of one segment at 0x08000000: the banner. */
static inline size_t flash_elf(uint8_t out[static 256], uint32_t address)
{
    size_t len = strlen(FLASH_BANNER);
    memset(out, 0, 256);
    memcpy(out, "\177ELF\1\1\1", 7);
    flash_put(out + 28, 52, 4);
    flash_put(out + 42, 32, 2);
    flash_put(out + 44, 1, 2);
    flash_put(out + 52, 1, 4);
    flash_put(out + 56, 84, 4);
    flash_put(out + 64, address, 4);
    flash_put(out + 68, (uint32_t)len, 4);
    memcpy(out + 84, FLASH_BANNER, len);
    return 84 + len;
}

static inline struct lab *flash_lab(uv_loop_t *loop, const struct sim *sim, const char *backend,
                                    const char *hooks)
{
    char text[1000];
    struct lab *lab;
    struct err e = {0};
    snprintf(
        text, sizeof(text),
        "[{\"name\": \"b1\", \"target\": \"NUCLEO_U575ZI_Q\", \"board\": {\"backend\": \"%s\", "
        "\"serial\": \"SN7\", \"volume\": \"%s/volume\", \"uart\": \"%s\"}, \"meter\": "
        "{\"port\": \"%s\"}, \"recovery\": %s}]",
        backend, sim->dir, sim->uart, sim->meter, hooks);
    json_t *config = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(config);
    uv_loop_init(loop);
    ck_assert_msg(!lab_open(&lab, loop, config, sim->dir, NULL, &e), "%s", e.detail);
    json_decref(config);
    return lab;
}

/* The folder, the image and the simulator; tools put there are found first. */
static inline void flash_prepare(struct sim *sim)
{
    char path[5000], image[200];
    uint8_t elf[256];
    sim_make_dir(sim);
    snprintf(path, sizeof(path), "%s:%s", sim->dir, getenv("PATH"));
    setenv("PATH", path, 1);
    setenv("SIM", sim->dir, 1);
    sim_file(sim, "qemu-system-arm", FLASH_QEMU, 0755);
    sim_run(sim, "");
    snprintf(image, sizeof(image), "%s/image.elf", sim->dir);
    FILE *f = fopen(image, "wb");
    fwrite(elf, 1, flash_elf(elf, 0x08000000), f);
    fclose(f);
}

static inline void flash_run(struct harness *h, const struct sim *sim, struct lab *lab,
                             double tool_timeout_s)
{
    char image[200];
    snprintf(image, sizeof(image), "%s/image.elf", sim->dir);
    h->run.lab = lab;
    h->run.devices = json_pack("{s:{s:s}}", "bench", "name", "b1");
    harness_run(h, &board_flash_step,
                json_pack("{s:s,s:s,s:f,s:f}", "image", image, "build_id", "b7", "boot_timeout",
                          1.0, "tool_timeout", tool_timeout_s));
    json_decref((json_t *)(uintptr_t)h->run.devices);
}

/* What the tools noted in $SIM/runs: one line each. */
static inline int flash_runs(const struct sim *sim, char *out, size_t size)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/runs", sim->dir);
    FILE *f = fopen(path, "r");
    size_t len = f ? fread(out, 1, size - 1, f) : 0;
    int runs = 0;
    out[len] = 0;
    for (size_t i = 0; i < len; i++)
        runs += out[i] == '\n';
    if (f)
        fclose(f);
    return runs;
}

static inline void flash_over(struct harness *h, struct sim *sim, struct lab *lab, uv_loop_t *loop)
{
    harness_free(h);
    lab_close(lab, NULL, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(loop), 0);
    sim_stop(sim);
}

enum { FLASH_ALL_RUNGS = 6 }; /* attempts: one, two retries, three more rungs */

struct stand {
    struct harness h;
    struct sim sim;
    uv_loop_t loop;
    struct lab *lab;
};

/* It ended so, after so many runs of the tool; `says` is in the error, else in the log. */
static inline void flash_check(struct stand *s, enum err_code code, int runs, const char *says)
{
    char text[8000];
    const struct bench_health *health = lab_health(s->lab, lab_at(s->lab, 0));
    ck_assert_msg(s->h.code == code, "%s\n%s", s->h.call.err.detail, s->h.log);
    ck_assert_msg(strstr(code ? s->h.call.err.detail : s->h.log, says), "%s\n%s",
                  s->h.call.err.detail, s->h.log);
    ck_assert_int_eq(flash_runs(&s->sim, text, sizeof(text)), runs);
    ck_assert(health->quarantined == (code != ERR_OK));
    flash_over(&s->h, &s->sim, s->lab, &s->loop);
}
