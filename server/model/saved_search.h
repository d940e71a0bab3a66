/* A saved search: filters that the dashboard keeps under a name. */
#pragma once
#include "shared/json/field.h"

struct saved_search_filter {
    struct given given;
    const char *object, *property, *type, *operation;
    struct raw value;
};

struct saved_search {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    const char *name;
    struct saved_search_filter *filters;
    size_t filters_count;
};

extern const struct resource saved_search_filter_resource, saved_search_resource,
    saved_search_create_resource;
