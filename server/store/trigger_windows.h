/* The windows that a transaction touches: loaded together, stored together. */
#pragma once
#include "server/model/trigger_window.h"
#include "server/store/trigger_set.h"

struct touched {
    struct window window; /* first */
    const struct armed *automation;
    const char *key_text; /* JSON array */
    struct touched *next; /* same hash */
};

struct windows {
    struct touched **items;
    size_t count, room;
    struct touched *hash[1024];
};

/* The window of that trigger and key, made at first; not loaded yet. */
struct touched *windows_get(struct work *w, struct windows *all, const struct watcher *watcher,
                            struct strings key);
MUST_CHECK enum err_code windows_load(struct work *w, struct windows *all);
/* What has changed. */
MUST_CHECK enum err_code windows_save(struct work *w, struct windows *all);
