/* Flow files, and the files of their sub-flows. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/flow/build.h"

enum { FILES_MAX = 50 };

static enum err_code read_file(struct arena *arena, const char *file, struct source *out,
                               struct err *err)
{
    FILE *f = fopen(file, "rbe");
    if (!f)
        return err_set(err, NOT_FOUND, "cannot read %s: %s", file, strerror(errno));
    char *text = malloc(NODE_FILE_BYTES + 1);
    size_t len = text ? fread(text, 1, NODE_FILE_BYTES + 1, f) : 0;
    bool failed = !text || ferror(f);
    fclose(f);
    if (!failed)
        *out =
            (struct source){arena_printf(arena, "%s", file), arena_strndup(arena, text, len), len};
    free(text);
    if (failed)
        return err_set(err, IO, "cannot read %s: %s", file, strerror(errno));
    return ERR_OK;
}

struct flow *build_flow_file(struct builder *b, const struct node *path)
{
    struct source *source = arena_new(b->arena, struct source);
    struct err err = {0};
    const char *slash = strrchr(path->source->file, '/');
    int dir_len = slash ? (int)(slash - path->source->file) + 1 : 0;
    const char *file = path->text[0] == '/' ? path->text
                                            : arena_printf(b->arena, "%.*s%s", dir_len,
                                                           path->source->file, path->text);
    if (++b->files > FILES_MAX) {
        problem_at(b->problems, path, "the flow uses more than %d files", FILES_MAX);
        return NULL;
    }
    if (read_file(b->arena, file, source, &err)) {
        problem_at(b->problems, path, "%s", err.detail);
        return NULL;
    }
    struct node *root = node_parse(b->arena, source, b->problems);
    return root ? build_flow(b, source, root) : NULL;
}

static struct flow *load(struct arena *arena, const struct source *source,
                         const struct flow_options *options, struct problems *problems)
{
    struct builder b = {.arena = arena, .options = options, .problems = problems};
    struct node *root = node_parse(arena, source, problems);
    struct flow *flow = root ? build_flow(&b, source, root) : NULL;
    return problems->count ? NULL : flow;
}

struct flow *flow_load(struct arena *arena, const char *file, const char *text, size_t len,
                       const struct flow_options *options, struct problems *problems)
{
    struct source *source = arena_new(arena, struct source);
    *source =
        (struct source){arena_printf(arena, "%s", file), arena_strndup(arena, text, len), len};
    return load(arena, source, options, problems);
}

struct flow *flow_load_file(struct arena *arena, const char *file,
                            const struct flow_options *options, struct problems *problems)
{
    struct source *source = arena_new(arena, struct source);
    struct err err = {0};
    *source = (struct source){arena_printf(arena, "%s", file), "", 0};
    if (read_file(arena, file, source, &err)) {
        problem_at(problems, &(struct node){.line = 1, .column = 1, .source = source}, "%s",
                   err.detail);
        return NULL;
    }
    return load(arena, source, options, problems);
}
