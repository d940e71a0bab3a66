#include "server/store/block_sets.h"

#include <string.h>

#include "server/db/params.h"

static struct column *columns_at(struct work *w, const struct rows *rows, int row, int first,
                                 size_t count)
{
    struct column *columns = arena_array(&w->arena, struct column, count);

    for (size_t i = 0; i < count; i++)
        columns[i] = (struct column){rows_text(rows, row, first + (int)i),
                                     rows_len(rows, row, first + (int)i)};
    return columns;
}

static const struct column *type_at(struct work *w, const struct rows *rows, int row, int first)
{
    struct column *columns = columns_at(w, rows, row, first, BLOCK_TYPE_COLUMNS);
    struct column *logo = &columns[columns_index(&block_type_resource, "logo_url")];

    logo->text = block_logo(&w->arena, w->origin, logo->text);
    logo->len = logo->text ? strlen(logo->text) : 0;
    return columns;
}

void block_rows_take(struct work *w, const struct rows *rows, size_t own, struct block_set *out)
{
    out->count = (size_t)rows->count;
    out->rows = arena_array(&w->arena, struct block_row, out->count + 1);
    for (int i = 0; i < rows->count; i++)
        out->rows[i] = (struct block_row){
            .id = rows_text(rows, i, 0),
            .columns = columns_at(w, rows, i, 0, own),
            .type = type_at(w, rows, i, (int)own),
        };
}

void block_edges_take(struct work *w, const struct rows *rows, struct block_set *out)
{
    out->edge_count = (size_t)rows->count;
    out->edges = arena_array(&w->arena, struct block_edge, out->edge_count + 1);
    for (int i = 0; i < rows->count; i++)
        out->edges[i] = (struct block_edge){rows_text(rows, i, 0), rows_text(rows, i, 1),
                                            rows_text(rows, i, 2)};
}

const char *block_ids_param(struct work *w, struct uuids ids, const struct block_set *edges)
{
    const char **all = arena_array(&w->arena, const char *, ids.count + edges->edge_count + 1);
    size_t count = 0;

    for (size_t i = 0; i < ids.count; i++)
        all[count++] = param_uuid(w, ids.items[i]);
    for (size_t i = 0; i < edges->edge_count; i++)
        all[count++] = edges->edges[i].child;
    return param_array(w, all, count);
}
