/* Triggers of automations: what must (or must not) happen.
 *
 *   event     so many events that match, within a time; Proactive: fewer than that
 *   compound  so many of its children have fired within a time
 *   sequence  all children have fired, in their order
 *
 * Clients send them as JSON; trigger_read() checks it and writes the canonical form that is stored.
 * trigger_load() makes a tree of it.  Borrows: the arena.   Thread: any.
 * Source: prefect-api.md 5.3 and 11.4, and a running Prefect 3.9.1. */
#pragma once
#include "server/model/seen_event.h"
#include "shared/json/codec.h"

enum { TRIGGERS_MAX = 200, TRIGGER_DEPTH_MAX = 8, TRIGGER_NAMES_MAX = 1000 };

enum trigger_kind { TRIGGER_EVENT, TRIGGER_COMPOUND, TRIGGER_SEQUENCE };
enum posture { POSTURE_REACTIVE, POSTURE_PROACTIVE };

/* Labels that a resource must have: each with one of the values. */
struct specification {
    struct expected_label {
        const char *name;
        struct strings values;
    } * labels;
    size_t count;
};

struct trigger {
    struct given given;
    const char *type;
    struct uuid id;
    struct raw match, match_related;
    struct strings after, expect, for_each;
    int posture;
    int64_t threshold;
    int64_t within_us; /* TIME_NONE: composites without one */
    struct raw triggers, require;
    /* Made by trigger_load(). */
    enum trigger_kind kind;
    struct raw json;
    size_t required; /* composites: how many children */
    struct specification resource;
    struct specification *related;
    size_t related_count;
    struct trigger *children, *parent;
    size_t child_count;
};

struct reading;
/* The `read` of a row of kind FIELD_JSON: canonical JSON with ids of its own. */
bool trigger_read(const struct reading *r, void *out_raw);

/* Of canonical JSON. */
MUST_CHECK enum err_code trigger_load(struct arena *a, struct raw json, struct trigger *out,
                                      struct err *e);

/* What an automation tells of its own work (triggered, action.*) is no news to itself, nor to those
 * that watch everything: each firing would lead to three more. */
bool trigger_ignores(const struct trigger *t, struct uuid automation,
                     const struct seen_event *event);
/* Whether the event has anything to do with an event trigger. */
bool trigger_covers(const struct trigger *t, const struct seen_event *event);
bool trigger_starts_after(const struct trigger *t, const struct seen_event *event);
bool trigger_expects(const struct trigger *t, const struct seen_event *event);
/* Values of the `for_each` labels, in the order of their names. */
struct strings trigger_key(struct arena *a, const struct trigger *t,
                           const struct seen_event *event);
bool trigger_is_immediate(const struct trigger *t);
/* Proactive with `after`: events that are only expected are held for windows that open later. */
bool trigger_holds(const struct trigger *t);

/* Whether the specification fits every resource of that kind (`prefect.flow-run`). */
bool specification_is_open(const struct specification *s, const char *kind);

/* `for_each` and the key as an object; "{}" without. */
struct raw trigger_labels(struct arena *a, const struct trigger *t, struct strings key);
