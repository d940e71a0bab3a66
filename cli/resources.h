/* What the server keeps, as far as the CLI lists, shows and deletes it: one row per resource.
 * Errors: as shared/client/rest.h; NOT_FOUND and INVALID name what was looked for. */
#pragma once
#include "cli/cli.h"
#include "cli/table.h"

struct resource {
    const char *name;      /* the group of commands: "work-pool" */
    const char *what;      /* in a sentence: "work pool" */
    const char *list_path; /* POST with paging; a GET when it ends without "filter" */
    const char *one_path;  /* "/work_pools/%s" by escaped name; NULL: see resolve */
    enum err_code (*resolve)(struct cli *cli, const char *name, json_t **out);
    const char *delete_path; /* "/work_pools/%s" of delete_key's value; NULL: cannot be deleted */
    const char *delete_key;  /* "name" or "id" */
    const char *name_path;   /* what completion offers */
    const struct column *columns, *details;
    const char *empty; /* what to say, and do, when the list is empty */
};

const struct resource *resource_named(const char *name);

/* All rows, page by page, at most `limit`.  filter (may be NULL) is the request's body, released
 * here. */
MUST_CHECK enum err_code resource_list(struct cli *cli, const struct resource *r, json_t *filter,
                                       int64_t limit, json_t **out);
MUST_CHECK enum err_code resource_find(struct cli *cli, const struct resource *r, const char *name,
                                       json_t **out);
/* A list as a table or JSON, whatever was asked for. */
void resource_show(struct cli *cli, const struct resource *r, json_t *rows);

/* A deployment by `flow/deployment`, by its own name where that is unique, or by id. */
MUST_CHECK enum err_code resolve_deployment(struct cli *cli, const char *name, json_t **out);
/* A flow run by id, by the beginning of its id, or by name (the newest one of that name). */
MUST_CHECK enum err_code resolve_run(struct cli *cli, const char *name, json_t **out);
MUST_CHECK enum err_code resolve_block(struct cli *cli, const char *name, json_t **out);

/* Adds flow_name and deployment_name ("flow/deployment") to runs; flow_name to deployments. */
MUST_CHECK enum err_code add_names(struct cli *cli, json_t *rows);

/* {"any_": [text]} inside {group: {member: ...}}: the most common filter. */
json_t *filter_any(const char *group, const char *member, const char *text);

/* The commands every resource has; the group in cli->path says which. */
enum err_code cmd_list(struct cli *cli);
enum err_code cmd_inspect(struct cli *cli);
enum err_code cmd_delete(struct cli *cli);
