#include "worker/lab/board.h"

#include <string.h>
#include <strings.h>

// clang-format off
static const struct board_backend backends[] = {
    {"qemu", .write = board_write_qemu},
    {"msd", .needs_supply = true, .needs_bin = true, .write = board_write_msd},
    {"openocd", .needs_supply = true,
     .argv = {"openocd", "-f", "interface/stlink.cfg", "-c", "adapter serial {serial}", "-f", "target/{openocd}.cfg",
              "-c", "gdb_port disabled; tcl_port disabled; telnet_port disabled",
              "-c", "reset_config srst_only connect_assert_srst", "-c", "program {{elf}} verify reset exit"},
     .proof = {"** Verified OK **"}, .failure = {"** Programming Failed **", "** Verify Failed **", "Error: "}},
    {"pyocd", .needs_supply = true, .needs_bin = true,
     .argv = {"pyocd", "flash", "--no-wait", "-u", "{serial}", "-t", "{pyocd}", "--base-address", "{address}", "{bin}"},
     .failure = {"No connected debug probes", " C ", " E "}},
    {"st-flash", .needs_supply = true, .needs_bin = true,
     .argv = {"st-flash", "--reset", "--connect-under-reset", "--serial", "{serial}", "write", "{bin}", "{address}"},
     .proof = {"verified"}, .failure = {"ERROR", "Couldn't find", "Failed to"}},
    {"STM32_Programmer_CLI", .needs_supply = true, .needs_bin = true,
     .argv = {"STM32_Programmer_CLI", "-c", "port=SWD", "sn={serial}", "mode=UR", "reset=HWrst", "-w", "{bin}", "{address}",
              "-v", "-rst"},
     .proof = {"File download complete"}, .failure = {"Error:", "Verification...Failed", "Mismatch"}},
};

/* What the tools call a board's chip. */
static const struct {
    const char *target, *openocd, *pyocd;
} chips[] = {
    {"NUCLEO_L476RG",   "stm32l4x", "stm32l476rgtx"},
    {"NUCLEO_L4R5ZI",   "stm32l4x", "stm32l4r5zitx"},
    {"NUCLEO_L452RE_P", "stm32l4x", "stm32l452retxp"},
    {"NUCLEO_F767ZI",   "stm32f7x", "stm32f767zitx"},
    {"NUCLEO_U575ZI_Q", "stm32u5x", "stm32u575zitxq"},
    {"NUCLEO_U5A5ZJ_Q", "stm32u5x", "stm32u5a5zjtxq"},
};
// clang-format on

const struct board_backend *board_backend_find(const char *name)
{
    for (size_t i = 0; i < COUNT(backends); i++)
        if (!strcmp(backends[i].name, name))
            return &backends[i];
    return NULL;
}

/* NULL: nothing is known under that name. */
static const char *value_of(const struct board_flash *f, const char *name, size_t len,
                            struct arena *a)
{
    const char *openocd = NULL, *pyocd = NULL;
    for (size_t i = 0; i < COUNT(chips); i++)
        if (!strcasecmp(chips[i].target, f->bench->target)) {
            openocd = chips[i].openocd;
            pyocd = chips[i].pyocd;
        }
    const struct {
        const char *name, *value;
    } values[] = {{"serial", f->bench->board_serial},
                  {"elf", f->image},
                  {"bin", f->bin},
                  {"address", arena_printf(a, "0x%08x", f->address)},
                  {"openocd", openocd},
                  {"pyocd", pyocd}};
    for (size_t i = 0; i < COUNT(values); i++)
        if (strlen(values[i].name) == len && !memcmp(values[i].name, name, len))
            return values[i].value;
    return NULL;
}

/* `{{elf}}` keeps one pair of braces: a Tcl word that may hold blanks. */
static const char *expand(const struct board_flash *f, const char *word, struct arena *a)
{
    const char *text = "", *open;
    while ((open = strchr(word, '{'))) {
        bool quoted = open[1] == '{';
        const char *name = open + 1 + quoted;
        size_t len = strcspn(name, "}");
        const char *value = value_of(f, name, len, a);
        if (!value)
            return NULL;
        text = arena_printf(a, quoted ? "%s%.*s{%s}" : "%s%.*s%s", text, (int)(open - word), word,
                            value);
        word = name + len + 1 + quoted;
    }
    return arena_printf(a, "%s%s", text, word);
}

enum err_code board_command(const struct board_backend *backend, const struct board_flash *flash,
                            struct arena *a, const char *out_argv[static BACKEND_WORDS_MAX],
                            struct err *e)
{
    if (!flash->bench->board_serial[0])
        return err_set(e, INVALID, "bench %s: `board.serial` is missing: %s would take any board",
                       flash->bench->name, backend->name);
    for (size_t i = 0; i < BACKEND_WORDS_MAX; i++) {
        const char *word = backend->argv[i];
        out_argv[i] = word ? expand(flash, word, a) : NULL;
        if (word && !out_argv[i])
            return err_set(e, INVALID, "bench %s: %s cannot write the target %s: no chip is known",
                           flash->bench->name, backend->name, flash->bench->target);
    }
    return ERR_OK;
}

void board_verdict_line(struct board_verdict *v, const char *line)
{
    for (size_t i = 0; i < BACKEND_TEXTS_MAX; i++) {
        const char *proof = v->backend->proof[i], *failure = v->backend->failure[i];
        v->proven[i] |= proof && strstr(line, proof);
        if (failure && !v->complaint[0] && strstr(line, failure)) {
            size_t len = strnlen(line, sizeof(v->complaint) - 1);
            memcpy(v->complaint, line, len);
            v->complaint[len] = 0;
        }
    }
}

enum err_code board_verdict(const struct board_verdict *v, const struct step_exit *how,
                            struct err *e)
{
    const char *name = v->backend->name;
    if (how->cancelled)
        return err_set(e, CANCELLED, "flashing was cancelled");
    if (how->timed_out)
        return err_set(e, TIMEOUT, "%s did not end in time", name);
    if (how->signal)
        return err_set(e, IO, "%s was ended by signal %d", name, how->signal);
    if (v->complaint[0])
        return err_set(e, IO, "%s (status %d): %s", name, how->status, v->complaint);
    if (how->status)
        return err_set(e, IO, "%s ended with status %d: %s", name, how->status,
                       how->last[0] ? how->last : "no output");
    for (size_t i = 0; i < BACKEND_TEXTS_MAX; i++)
        if (v->backend->proof[i] && !v->proven[i])
            return err_set(e, IO, "%s ended with status 0 but never said `%s`; its last line: %s",
                           name, v->backend->proof[i], how->last[0] ? how->last : "none");
    return ERR_OK;
}

/* "V", a digit, "J", digits, then whatever of M, B, S comes with digits. */
bool board_probe_version(const char *line, char *out, size_t size)
{
    static const char digits[] = "0123456789";

    for (const char *v = strchr(line, 'V'); v; v = strchr(v + 1, 'V')) {
        size_t major = strspn(v + 1, digits), len = 1 + major;
        if (!major || major > 2 || v[len] != 'J' || !strspn(v + len + 1, digits))
            continue;
        for (len++; v[len] && (strchr(digits, v[len]) || strchr("MBS", v[len]));)
            len++;
        snprintf(out, size, "%.*s", (int)len, v);
        return true;
    }
    return false;
}
