/* Events, resources and labels as templates see them.  Borrows: what it is given, and the arena. */
#pragma once
#include "server/model/jinja_value.h"
#include "server/model/seen_event.h"

struct jinja_value jinja_event(const struct seen_event *e);
/* From JSON; none when it is not an event. */
struct jinja_value jinja_event_of_json(struct arena *a, struct val v);
/* Labels as a tree: `labels.prefect.resource.id`. */
struct jinja_value jinja_labels(struct arena *a, const struct labels *l);
