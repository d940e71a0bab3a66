#include "server/model/saved_search.h"

static const struct field saved_search_filter_fields[] = {
    F_STR(struct saved_search_filter, object, F_REQUIRED, .doc = "What is filtered."),
    F_STR(struct saved_search_filter, property, F_REQUIRED, .doc = "Which property of it."),
    F_STR(struct saved_search_filter, type, F_REQUIRED, .doc = "The property's type."),
    F_STR(struct saved_search_filter, operation, F_REQUIRED, .doc = "`equals` and others."),
    F_JSON(struct saved_search_filter, value, F_REQUIRED, .doc = "What it is compared with."),
};
const struct resource saved_search_filter_resource = RESOURCE_NAMED(
    "SavedSearchFilter", saved_search_filter, saved_search_filter_fields, .lax = true);

static const struct field saved_search_fields[] = {
    F_UUID(struct saved_search, id, .doc = "Assigned by the server."),
    F_TIME(struct saved_search, created, F_NULLABLE, .doc = "When it was made."),
    F_TIME(struct saved_search, updated, F_NULLABLE, .doc = "When it was last changed."),
    F_STR(struct saved_search, name, .doc = "Unique among saved searches."),
    F_LIST(struct saved_search, filters, saved_search_filter, .doc = "All must match."),
};
const struct resource saved_search_resource =
    RESOURCE_NAMED("SavedSearch", saved_search, saved_search_fields);

static const struct field saved_search_create_fields[] = {
    F_STR(struct saved_search, name, F_REQUIRED, .doc = "Unique among saved searches."),
    F_LIST(struct saved_search, filters, saved_search_filter, .def = "[]",
           .doc = "All must match."),
};
const struct resource saved_search_create_resource =
    RESOURCE_NAMED("SavedSearchCreate", saved_search, saved_search_create_fields);
