#include "cli/cli.h"

#include <string.h>

enum { HELP_COLUMNS = 80, INDENT = 2, LEFT_COLUMNS = 28 };

static void put_row(FILE *out, const char *left, const char *about)
{
    int len = (int)strlen(left);

    fprintf(out, "%*s%s", INDENT, "", left);
    if (len + INDENT + 2 > LEFT_COLUMNS) {
        fputc('\n', out);
        len = -INDENT;
    }
    text_wrap(out, about, HELP_COLUMNS, len + INDENT, LEFT_COLUMNS);
}

static void put_options(FILE *out, struct arena *a, const char *title, const struct option_row *row)
{
    if (!row || !row->name)
        return;
    fprintf(out, "\n%s:\n", title);
    for (; row->name; row++) {
        const char *letter = row->letter ? arena_printf(a, "-%c, ", row->letter) : "    ";
        const char *left = arena_printf(a, "%s--%s%s%s", letter, row->name, row->value ? " " : "",
                                        row->value ? row->value : "");
        put_row(out, left, row->about);
    }
}

static void put_commands(FILE *out, struct arena *a, const struct command *group)
{
    fprintf(out, "\nCommands:\n");
    for (const struct command *c = group->subs; c->name; c++) {
        if (!c->about)
            continue;
        const char *left =
            c->subs || !c->args ? c->name : arena_printf(a, "%s %s", c->name, c->args);
        put_row(out, left, c->about);
    }
}

void help_print(FILE *out, struct arena *a, const struct command *const *path, int path_len)
{
    const struct command *c = path[path_len - 1];
    const char *name = "switchyard";

    for (int i = 1; i < path_len; i++)
        name = arena_printf(a, "%s %s", name, path[i]->name);
    text_wrap(out, arena_printf(a, "%s: %s.", name, c->about), HELP_COLUMNS, 0, 0);
    fprintf(out, "\nUsage: %s%s%s%s\n", name, c->subs ? " COMMAND" : "", c->args ? " " : "",
            c->args ? c->args : "");
    if (c->subs)
        put_commands(out, a, c);
    put_options(out, a, "Options", c->options);
    put_options(out, a, "Options of every command", global_options);
    if (c->more)
        fprintf(out, "\n%s\n", c->more);
}
