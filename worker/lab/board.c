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
     .argv = {"pyocd", "flash", "--no-wait", "--connect", "under-reset", "-u", "{serial}", "-t", "{pyocd}", "--base-address", "{address}", "{bin}"},
     .failure = {"No connected debug probe", " C ", " E "}},
    {"st-flash", .needs_supply = true, .needs_bin = true,
     .argv = {"st-flash", "--reset", "--connect-under-reset", "--serial", "{serial}", "write", "{bin}", "{address}"},
     .proof = {"verified"}, .failure = {"ERROR", "Couldn't find", "Failed to"}},
    {"STM32_Programmer_CLI", .needs_supply = true, .needs_bin = true,
     .argv = {"STM32_Programmer_CLI", "-c", "port=SWD", "sn={serial}", "mode=UR", "reset=HWrst", "-w", "{bin}", "{address}",
              "-v", "-rst"},
     .proof = {"File download complete"}, .failure = {"Error:", "Verification...Failed", "Mismatch"}},
};

/* What the tools call a board's chip, and the board's code in MBED.HTM. */
static const struct {
    const char *target, *openocd, *pyocd, *code;
} chips[] = {
    {"NUCLEO_L476RG",   "stm32l4x", "stm32l476rgtx",  "0765"},
    {"NUCLEO_L4R5ZI",   "stm32l4x", "stm32l4r5zitx",  "0776"},
    {"NUCLEO_L4R5ZI_P", "stm32l4x", "stm32l4r5zitxp", "0781"},
    {"NUCLEO_L452RE",   "stm32l4x", "stm32l452retx",  "0821"},
    {"NUCLEO_L452RE_P", "stm32l4x", "stm32l452retxp", "0829"},
    {"NUCLEO_F767ZI",   "stm32f7x", "stm32f767zitx",  "0818"},
    {"NUCLEO_U575ZI_Q", "stm32u5x", "stm32u575zitxq", "0886"},
    {"NUCLEO_U5A5ZJ_Q", "stm32u5x", "stm32u5a5zjtxq", NULL},
};
// clang-format on

const struct board_backend *board_backend_find(const char *name)
{
    for (size_t i = 0; i < COUNT(backends); i++)
        if (!strcmp(backends[i].name, name))
            return &backends[i];
    return NULL;
}

const char *board_code(const char *target)
{
    for (size_t i = 0; i < COUNT(chips); i++)
        if (!strcasecmp(chips[i].target, target))
            return chips[i].code;
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
