#include "server/http/route.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/metrics.h"
#include "server/http/unescape.h"

/* Rows whose first segment below /api has the same hash are tried one after the other; dynamic
 * first segments do not occur. */
enum { BUCKETS = 256 };
static const struct route **buckets[BUCKETS];
static size_t bucket_sizes[BUCKETS];

static const char *below_api(const char *path)
{
    return strncmp(path, "/api/", 5) == 0 ? path + 4 : NULL;
}

static unsigned first_segment(const char *path)
{
    unsigned h = 5381;
    for (path++; *path && *path != '/'; path++)
        h = h * 33 + (unsigned char)*path;
    return h % BUCKETS;
}

static bool is_root(const struct route *r)
{
    return r->path[0] == '/' && r->path[1] == '/';
}

void routes_index(void)
{
    for (size_t i = 0; i < route_count; i++) {
        unsigned b = first_segment(routes[i].path + is_root(&routes[i]));
        const struct route **grown =
            realloc(buckets[b], (bucket_sizes[b] + 1) * sizeof(struct route *));
        if (!grown)
            abort();
        buckets[b] = grown;
        grown[bucket_sizes[b]++] = &routes[i];
    }
}

static bool take_param(struct request *rq, const char *pattern, size_t n, const char *text,
                       size_t len)
{
    const char *end = strchr(pattern, '}');

    if (len == 0 || n == PATH_PARAMS_MAX)
        return false;
    rq->params[n] = unescape(&rq->work.arena, text, len, false);
    if (end - pattern > 5 && strncmp(end - 5, ":uuid", 5) == 0)
        return uuid_parse(rq->params[n], strlen(rq->params[n]), &rq->ids[n]);
    return true;
}

/* Matches one pattern; fills params.  Segments compare bytewise; a slash at the end is ignored. */
static bool match(struct request *rq, const char *pattern, const char *path)
{
    size_t n = 0;

    while (*pattern && *path) {
        if (*pattern != '{') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t len = strcspn(path, "/");
        if (!take_param(rq, pattern, n++, path, len))
            return false;
        path += len;
        pattern = strchr(pattern, '}') + 1;
    }
    return (!*pattern || strcmp(pattern, "/") == 0) && (!*path || strcmp(path, "/") == 0);
}

static void append_method(struct request *rq, const char **allow, enum method m)
{
    *allow =
        *allow ? arena_printf(&rq->work.arena, "%s, %s", *allow, method_names[m]) : method_names[m];
}

enum err_code route_find(struct request *rq, const char **out_allow)
{
    const char *api = below_api(rq->path);
    const char *path = api ? api : rq->path;
    unsigned b = first_segment(path);

    for (size_t i = 0; i < bucket_sizes[b]; i++) {
        const struct route *r = buckets[b][i];
        if (is_root(r) != !api || !match(rq, r->path + is_root(r), path))
            continue;
        if (r->method == rq->method) {
            rq->route = r;
            return ERR_OK;
        }
        append_method(rq, out_allow, r->method);
    }
    if (*out_allow)
        return err_set(&rq->work.err, METHOD, "Method Not Allowed");
    return err_set(&rq->work.err, NOT_FOUND, "Not Found");
}
