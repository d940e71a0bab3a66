/* The settings that Prefect's users know: read once from the environment (PREFECT_*), checked,
 * then constant.  One row each in settings.def; services, routes and GET /admin/settings read it.
 * What only this server has (where the database is, threads ...) stands in config.h.
 *
 * Units: what Prefect gives in seconds or as a duration is read in microseconds.
 * Thread: written before the threads start, then read by all. */
#pragma once
#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/base/err.h"

enum setting_id {
    SETTING_NONE,
#define SETTING(name, ...) SETTING_##name,
#include "server/settings.def"
#undef SETTING
    SETTING_COUNT
};

struct setting_value {
    const char *from; /* the variable or option that gave it, NULL: the default */
    bool is_null;
    union {
        bool flag;
        int64_t integer;
        double number;    /* FLOAT: as given */
        int64_t us;       /* DURATION */
        const char *text; /* TEXT, SECRET, JSON, WORDS */
    };
};

struct settings {
    struct setting_value values[SETTING_COUNT];
};

/* Errors: INVALID is one sentence with the variable, what was expected and what it had.
 * Borrows: the environment's texts. */
MUST_CHECK enum err_code settings_read(struct settings *out, struct err *e);
/* A command-line option that stands for a setting; `from` is the option as typed. */
MUST_CHECK enum err_code settings_set(struct settings *s, enum setting_id id, const char *from,
                                      const char *text, struct err *e);
/* Names in the log what the environment sets in vain: unknown PREFECT_* and MOOT ones. */
void settings_warn(void);

bool settings_bool(const struct settings *s, enum setting_id id);
int64_t settings_int(const struct settings *s, enum setting_id id);
/* FLOAT (seconds) and DURATION. */
int64_t settings_us(const struct settings *s, enum setting_id id);
/* TEXT, SECRET and JSON; NULL when not set. */
const char *settings_text(const struct settings *s, enum setting_id id);
/* Is the word among those of a WORDS setting (db_vacuum.enabled)? */
bool settings_has(const struct settings *s, enum setting_id id, const char *word);

/* The nested object of GET /admin/settings, secrets masked. */
void settings_write(struct buf *out, const struct settings *s);
/* For check-config: every setting that does not have its default, and what set it. */
void settings_print(const struct settings *s);
