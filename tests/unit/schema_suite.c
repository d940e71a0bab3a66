/* The official JSON-Schema-Test-Suite for Draft 2020-12: `schema_suite FOLDER`, the folder with
 * `tests` and `remotes`.  A line per file, and one per case that we see otherwise. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/json/schema.h"

enum { DOCUMENTS_MAX = 200, FILE_MAX_BYTES = 1 << 20 };

struct suite {
    struct arena arena;
    struct schema_document documents[DOCUMENTS_MAX];
    size_t count;
    int failures;
};

/* Files that do not bind Draft 2020-12, or only what annotates. */
static bool is_left_out(const char *name)
{
    static const char *const names[] = {
        "cross-draft.json",                /* documents of older drafts */
        "dependencies-compatibility.json", /* a keyword of Draft 7 */
        "ecmascript-regex.json",           /* patterns are those of PCRE, near Python's */
        "format-assertion.json",           /* format annotates */
        "format",
    };

    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return name[0] == '.';
}

static struct val load(struct suite *s, const char *path)
{
    FILE *file = fopen(path, "rb");
    static char text[FILE_MAX_BYTES];
    struct doc *d = arena_new(&s->arena, struct doc);
    struct doc_error error = {.reason = "it cannot be read"};

    size_t len = file ? fread(text, 1, FILE_MAX_BYTES, file) : 0;
    if (file)
        fclose(file);
    if (len == FILE_MAX_BYTES ||
        !doc_parse(&s->arena, arena_strndup(&s->arena, text, len), len, d, &error)) {
        fprintf(stderr, "%s: %s\n", path, error.reason);
        exit(1);
    }
    return doc_root(d);
}

typedef void file_fn(struct suite *s, const char *path, const char *name);

static void each_file(struct suite *s, const char *folder, const char *prefix, file_fn *each)
{
    struct dirent **names;
    int count = scandir(folder, &names, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;
        const char *path = arena_printf(&s->arena, "%s/%s", folder, name);
        const char *full = arena_printf(&s->arena, "%s%s", prefix, name);
        struct stat st;
        if (is_left_out(name) || stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            each_file(s, path, arena_printf(&s->arena, "%s/", full), each);
        else
            each(s, path, full);
    }
    for (int i = 0; i < count; i++)
        free(names[i]);
    if (count > 0)
        free(names);
}

static void add_document(struct suite *s, const char *path, const char *name)
{
    if (s->count == DOCUMENTS_MAX)
        abort();
    s->documents[s->count++] = (struct schema_document){
        arena_printf(&s->arena, "http://localhost:1234/%s", name), load(s, path)};
}

static const char *text_of(struct suite *s, struct val object, const char *key)
{
    return val_string(&s->arena, val_get(object, key), NULL);
}

static bool is_right(struct suite *s, struct val schema, struct val test, const char **out_said)
{
    struct schema_rules rules = {.documents = s->documents, .document_count = s->count};
    bool valid = val_type(val_get(test, "valid")) == DOC_TRUE;
    struct schema_error error = {.message = "valid"};
    struct arena arena = {0};

    bool said = schema_check_as(&arena, schema, &rules, val_get(test, "data"), &error);
    *out_said = arena_strndup(&s->arena, error.message, strlen(error.message));
    arena_reset(&arena);
    return said == valid && (said || error.problem == SCHEMA_VALUE);
}

static void run_file(struct suite *s, const char *path, const char *name)
{
    struct val groups = load(s, path);
    const char *said;
    int cases = 0, before = s->failures;

    for (struct val_iter group = val_each(groups); val_next(&group);) {
        struct val schema = val_get(group.value, "schema");
        for (struct val_iter it = val_each(val_get(group.value, "tests")); val_next(&it);) {
            cases++;
            if (is_right(s, schema, it.value, &said))
                continue;
            s->failures++;
            printf("not ok %s: %s: %s: we say: %s\n", name, text_of(s, group.value, "description"),
                   text_of(s, it.value, "description"), said);
        }
    }
    if (s->failures == before)
        printf("ok %s: %d cases\n", name, cases);
}

int main(int argc, char **argv)
{
    struct suite s = {0};

    if (argc != 2)
        return 2;
    each_file(&s, arena_printf(&s.arena, "%s/remotes", argv[1]), "", add_document);
    each_file(&s, arena_printf(&s.arena, "%s/tests/draft2020-12", argv[1]), "", run_file);
    arena_reset(&s.arena);
    return s.failures != 0;
}
