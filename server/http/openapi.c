#include "server/http/openapi.h"

#include <ctype.h>
#include <string.h>

#include "server/http/reply.h"
#include "server/http/route.h"
#include "shared/base/html.h"
#include "shared/json/write.h"

enum { SCHEMAS_MAX = 256 };

/* Every resource that a reply or a body names, once. */
struct schemas {
    const struct resource *list[SCHEMAS_MAX];
    size_t count;
};

static void note(struct schemas *s, const struct resource *r)
{
    if (!r || s->count == SCHEMAS_MAX)
        return;
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i] == r)
            return;
    s->list[s->count++] = r;
    for (size_t i = 0; i < r->count; i++)
        note(s, r->fields[i].of);
}

static void put_ref(struct buf *b, const struct resource *r, bool list)
{
    char ref[128];

    snprintf(ref, sizeof(ref), "#/components/schemas/%s", r->name);
    write_object(b);
    if (list) {
        write_key(b, "type");
        write_string(b, "array");
        write_key(b, "items");
        write_object(b);
    }
    write_key(b, "$ref");
    write_string(b, ref);
    if (list)
        write_end_object(b);
    write_end_object(b);
}

static void put_content(struct buf *b, const struct resource *r, bool list)
{
    write_key(b, "content");
    write_object(b);
    write_key(b, "application/json");
    write_object(b);
    write_key(b, "schema");
    if (r)
        put_ref(b, r, list);
    else
        write_raw(b, RAW("{}"));
    write_end_object(b);
    write_end_object(b);
}

static void put_parameters(struct buf *b, const char *path)
{
    write_key(b, "parameters");
    write_array(b);
    for (const char *open = strchr(path, '{'); open; open = strchr(open + 1, '{')) {
        const char *end = strchr(open, '}'), *colon = memchr(open, ':', (size_t)(end - open));
        write_object(b);
        write_key(b, "name");
        write_string_n(b, open + 1, (size_t)((colon ? colon : end) - open - 1));
        write_key(b, "in");
        write_string(b, "path");
        write_key(b, "required");
        write_bool(b, true);
        write_key(b, "schema");
        write_raw(b, colon ? RAW("{\"type\":\"string\",\"format\":\"uuid\"}")
                           : RAW("{\"type\":\"string\"}"));
        write_end_object(b);
    }
    write_end_array(b);
}

static void put_operation(struct buf *b, const struct route *r)
{
    char method[8];
    size_t n = strlen(method_names[r->method]);

    for (size_t i = 0; i <= n; i++)
        method[i] = (char)tolower((unsigned char)method_names[r->method][i]);
    write_key(b, method);
    write_object(b);
    write_key(b, "summary");
    write_string(b, r->doc ? r->doc : "");
    put_parameters(b, r->path);
    if (r->body) {
        write_key(b, "requestBody");
        write_object(b);
        write_key(b, "required");
        write_bool(b, !(r->flags & BODY_OPTIONAL));
        put_content(b, r->body, r->flags & BODY_LIST);
        write_end_object(b);
    }
    write_key(b, "responses");
    write_object(b);
    write_key(b, "2XX");
    write_object(b);
    write_key(b, "description");
    write_string(b, "Success");
    put_content(b, r->reply, r->flags & REPLY_LIST);
    write_end_object(b);
    write_end_object(b);
    write_end_object(b);
}

/* `{id:uuid}` becomes `{id}`. */
static void put_path_key(struct buf *b, const char *path)
{
    char text[256];
    size_t n = 0;

    n += (size_t)snprintf(text, sizeof(text), "%s", path[1] == '/' ? "" : "/api");
    for (const char *p = path + (path[1] == '/'); *p && n < sizeof(text) - 1; p++) {
        if (*p == ':')
            p = strchr(p, '}');
        text[n++] = *p;
    }
    text[n] = '\0';
    write_key(b, text);
}

static bool seen_before(const struct route *r)
{
    for (const struct route *q = routes; q < r; q++)
        if (strcmp(q->path, r->path) == 0 && !(q->flags & (NOT_IN_OPENAPI | UPGRADE)))
            return true;
    return false;
}

static void put_paths(struct buf *b)
{
    write_object(b);
    for (const struct route *r = routes; r < routes + route_count; r++) {
        if ((r->flags & (NOT_IN_OPENAPI | UPGRADE)) || seen_before(r))
            continue;
        put_path_key(b, r->path);
        write_object(b);
        for (const struct route *q = r; q < routes + route_count; q++)
            if (strcmp(q->path, r->path) == 0 && !(q->flags & (NOT_IN_OPENAPI | UPGRADE)))
                put_operation(b, q);
        write_end_object(b);
    }
    write_end_object(b);
}

void openapi_write(struct buf *b)
{
    struct schemas schemas = {.count = 0};

    write_object(b);
    write_key(b, "openapi");
    write_string(b, "3.1.0");
    write_key(b, "info");
    write_raw(b, RAW("{\"title\":\"Switchyard\",\"version\":\"" VERSION "\"}"));
    write_key(b, "paths");
    put_paths(b);
    write_key(b, "components");
    write_object(b);
    write_key(b, "schemas");
    write_object(b);
    for (const struct route *r = routes; r < routes + route_count; r++) {
        note(&schemas, r->body);
        note(&schemas, r->reply);
    }
    for (size_t i = 0; i < schemas.count; i++) {
        write_key(b, schemas.list[i]->name);
        json_schema_of_resource(b, schemas.list[i], SCHEMA_OUTPUT);
    }
    write_end_object(b);
    write_end_object(b);
    write_end_object(b);
}

bool openapi_print(FILE *f)
{
    struct buf b = {.max_bytes = REPLY_MAX_BYTES};

    openapi_write(&b);
    bool ok = !b.full && fwrite(b.bytes, 1, b.len, f) == b.len && putc('\n', f) != EOF;
    buf_free(&b);
    return ok;
}

enum err_code openapi_get(struct request *rq)
{
    openapi_write(&rq->reply.body);
    return reply_status(rq, 200);
}

/* ---- the page for people ---- */

static void put_cell(struct buf *b, const char *before, const char *text, const char *after)
{
    buf_add(b, before, strlen(before));
    html_text(b, text);
    buf_add(b, after, strlen(after));
}

static void put_members(struct buf *b, const struct resource *r, const char *title)
{
    if (!r)
        return;
    put_cell(b, "<details><summary>", title, ": ");
    put_cell(b, "", r->name, "</summary><dl>");
    for (size_t i = 0; i < r->count; i++) {
        put_cell(b, "<dt>", r->fields[i].name, r->fields[i].required ? " *</dt>" : "</dt>");
        put_cell(b, "<dd>", r->fields[i].doc ? r->fields[i].doc : "", "</dd>");
    }
    buf_lit(b, "</dl></details>");
}

enum err_code openapi_docs(struct request *rq)
{
    struct buf *b = &rq->reply.body;

    buf_lit(b, "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
               "content=\"width=device-width\">"
               "<title>Switchyard API</title><style>body{font:15px/1.5 "
               "system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
               "color-scheme:light dark}section{border-top:1px solid #8884;padding:.6rem "
               "0}code{font-weight:600}"
               "b{display:inline-block;min-width:4.5rem}dl{margin:.3rem 0 0 1rem}dd{margin:0 0 "
               ".3rem 1rem;opacity:.8}</style>"
               "<h1>Switchyard API</h1><p>Machine-readable: <a "
               "href=\"openapi.json\">openapi.json</a>. A star marks what must be sent.");
    for (const struct route *r = routes; r < routes + route_count; r++) {
        if (r->flags & NOT_IN_OPENAPI)
            continue;
        put_cell(b, "<section><b>", r->flags & UPGRADE ? "SOCKET" : method_names[r->method],
                 "</b><code>");
        put_cell(b, r->path[1] == '/' ? "" : "/api", r->path + (r->path[1] == '/'), "</code><br>");
        html_text(b, r->doc ? r->doc : "");
        put_members(b, r->body, "takes");
        put_members(b, r->reply, "gives");
        buf_lit(b, "</section>");
    }
    rq->reply.content_type = "text/html; charset=utf-8";
    return reply_status(rq, 200);
}
