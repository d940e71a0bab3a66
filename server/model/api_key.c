#include "server/model/api_key.h"

static const struct field fields[] = {
    F_UUID(struct api_key, id, .doc = "Assigned by the server."),
    F_TIME(struct api_key, created, .doc = "When it was made."),
    F_STR(struct api_key, name, .doc = "Unique among keys."),
    F_TIME(struct api_key, expires, F_NULLABLE, .doc = "Not valid from then on; null: for ever."),
};
const struct resource api_key_resource = RESOURCE_NAMED("ApiKey", api_key, fields);

static const struct field create_fields[] = {
    F_STR(struct api_key, name, F_REQUIRED, F_LEN(1, 200), F_PATTERN("^[^/%&><]+$"),
          .doc = "Unique among keys."),
    F_TIME(struct api_key, expires, F_NULLABLE, .doc = "Not valid from then on; null: for ever."),
};
const struct resource api_key_create_resource =
    RESOURCE_NAMED("ApiKeyCreate", api_key, create_fields);
