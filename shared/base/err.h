/* What went wrong, and where it was first noticed.
 *
 * A function that can fail returns `enum err_code`; zero is success.  The
 * details stay in the `struct err` of the current request or job, set once, at
 * the place of origin.  Callers pass the code up and do not set it again. */
#pragma once
#include "shared/base/base.h"

enum err_code {
    ERR_OK,
#define ERR(name, http, retry, title) ERR_##name,
#include "shared/base/errors.def"
#undef ERR
    ERR_COUNT,
};

struct err {
    enum err_code code;
    int line;
    const char *file;
    bool object_level; /* the wire calls it exception_message, not detail */
    char detail[400];
};

struct err_info {
    const char *name; /* stable, part of the API: "CONFLICT" */
    const char *title;
    int http_status;
    bool retry; /* the client may send the same request again */
};

extern const struct err_info err_infos[ERR_COUNT];

/* Gives the code as a constant, so that the compiler knows it is not ERR_OK. */
#define err_set(e, name, ...)                                                                      \
    __extension__({                                                                                \
        err_set_at((e), ERR_##name, __FILE__, __LINE__, __VA_ARGS__);                              \
        (enum err_code) ERR_##name;                                                                \
    })

enum err_code err_set_at(struct err *e, enum err_code code, const char *file, int line,
                         const char *fmt, ...) PRINTF_LIKE(5, 6);

/* The text of an error that Prefect's models raise: {"exception_message": ...} instead of
 * {"detail": ...}. */
#define err_set_object(e, name, ...) ((e)->object_level = true, err_set((e), name, __VA_ARGS__))
