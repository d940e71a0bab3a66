/* An artifact: what a run leaves for people to look at.  Artifacts with the same key are versions;
 * their collection points to the latest. */
#pragma once
#include "shared/json/field.h"

struct artifact {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    const char *key, *type, *description;
    struct raw data, metadata_;
    struct uuid flow_run_id, task_run_id;
    struct uuid latest_id; /* of collections */
};

struct artifact_update {
    struct given given;
    const char *description;
    struct raw data, metadata_;
};

extern const struct resource artifact_resource, artifact_collection_resource;
extern const struct resource artifact_create_resource, artifact_update_resource;

/* Metadata with values of at most 500 characters; longer ones are cut and end in `...`. */
struct raw artifact_metadata(struct arena *a, struct raw metadata);
