#include "cli/actions.h"

#include <string.h>

enum { MOST_NAMES = 200 };

/* The shells ask `switchyard __complete WORD...` and get one candidate per line; the last word is
 * the one being typed. */
/* clang-format off */
static const struct {
    const char *shell, *script;
} scripts[] = {
    {"bash", "_switchyard() {\n"
             "    local i\n"
             "    mapfile -t COMPREPLY < <(switchyard __complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
             "    for i in \"${!COMPREPLY[@]}\"; do printf -v \"COMPREPLY[$i]\" %q \"${COMPREPLY[i]}\"; done\n"
             "}\n"
             "complete -o default -F _switchyard switchyard\n"},
    {"zsh",  "#compdef switchyard\n"
             "_switchyard() {\n"
             "    local -a found\n"
             "    found=(\"${(@f)$(switchyard __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
             "    [[ -n \"$found\" ]] && compadd -- $found || _files\n"
             "}\n"
             "if [[ $funcstack[1] = _switchyard ]]; then _switchyard; else compdef _switchyard switchyard; fi\n"},
    {"fish", "function __switchyard_complete\n"
             "    set -l words (commandline -opc) (commandline -ct)\n"
             "    switchyard __complete -- $words[2..-1] 2>/dev/null\n"
             "end\n"
             "complete -c switchyard -a '(__switchyard_complete)'\n"},
};
/* clang-format on */

enum err_code cmd_completion(struct cli *cli)
{
    for (size_t i = 0; i < COUNT(scripts); i++)
        if (strcmp(scripts[i].shell, cli->words[0]) == 0) {
            fputs(scripts[i].script, stdout);
            return ERR_OK;
        }
    return err_set(&cli->err, INVALID, "`%.40s` is not a shell: expected bash, zsh or fish",
                   cli->words[0]);
}

static void offer(struct arena *a, const char *word, const char *prefix, const char *dashes)
{
    /* One name per line: a name with control characters cannot be completed. */
    bool plain = strcmp(safe_text(a, word), word) == 0;
    if (plain && strncmp(word, prefix, strlen(prefix)) == 0)
        printf("%s%s\n", dashes, word);
}

static void offer_options(struct arena *a, const struct option_row *row, const char *prefix)
{
    for (; row && row->name; row++)
        offer(a, row->name, prefix, "--");
}

/* Names from the server, if it answers; silence otherwise. */
static void offer_names(struct cli *cli, const char *name, const char *prefix)
{
    const struct resource *r = resource_named(name);
    json_t *rows = NULL, *row;
    size_t i;

    if (!r || resource_list(cli, r, NULL, MOST_NAMES, &rows))
        return;
    json_array_foreach(rows, i, row) offer(&cli->arena, text_at(row, r->name_path), prefix, "");
}

enum err_code cmd_complete(struct cli *cli)
{
    const struct command *at = &program;
    const char *last = cli->word_count ? cli->words[cli->word_count - 1] : "";

    for (int i = 0; i < cli->word_count - 1 && at->subs; i++)
        for (const struct command *c = at->subs; c->name; c++)
            if (strcmp(c->name, cli->words[i]) == 0) {
                at = c;
                break;
            }
    if (strncmp(last, "-", 1) == 0) {
        const char *prefix = last + strspn(last, "-");
        offer_options(&cli->arena, at->options, prefix);
        offer_options(&cli->arena, global_options, prefix);
        return ERR_OK;
    }
    for (const struct command *c = at->subs; c && c->name; c++)
        if (c->about)
            offer(&cli->arena, c->name, last, "");
    if (at->names)
        offer_names(cli, at->names, last);
    return ERR_OK;
}
