#include "shared/flow/node.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* Open collections while reading. */
struct frame {
    struct node *node;
    struct node *key; /* of a map: waiting for its value */
    size_t cap;
};

struct anchor {
    struct anchor *next;
    const char *name;
    struct node *node;
    bool complete;
};

struct reader {
    struct arena *arena;
    const struct source *source;
    struct problems *problems;
    struct anchor *anchors;
    struct frame stack[NODE_DEPTH_MAX];
    size_t depth, count, anchor_count;
    struct node *root;
    bool failed;
};

static struct node *make_node(struct reader *r, enum node_type type, yaml_mark_t mark)
{
    struct node *n = arena_new(r->arena, struct node);
    n->type = type;
    n->line = (unsigned)mark.line + 1;
    n->column = (unsigned)mark.column + 1;
    n->weight = 1;
    n->source = r->source;
    return n;
}

static void refuse(struct reader *r, const struct node *at, const char *text)
{
    problem_at(r->problems, at, "%s", text);
    r->failed = true;
}

/* ---- YAML 1.2 core schema: sections 10.2.1 and 10.3.2 ---- */

static bool one_of(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(text, list[i]))
            return true;
    return false;
}

static bool all_digits(const char *s, const char *digits)
{
    return *s && s[strspn(s, digits)] == 0;
}

static bool is_decimal_number(const char *s)
{
    static const char digits[] = "0123456789";
    s += *s == '-' || *s == '+';
    size_t whole = strspn(s, digits), fraction = 0;
    s += whole;
    if (*s == '.')
        s += 1 + (fraction = strspn(s + 1, digits));
    if (!whole && !fraction)
        return false;
    if (*s != 'e' && *s != 'E')
        return *s == 0;
    s++;
    s += *s == '-' || *s == '+';
    return all_digits(s, digits);
}

static void take_integer(struct reader *r, struct node *n, const char *digits, int base)
{
    errno = 0;
    n->type = NODE_INTEGER;
    n->integer = strtoll(digits, NULL, base);
    if (errno)
        refuse(r, n, "the number does not fit 64 bits; put it in quotes if it is a name");
}

static void resolve_plain(struct reader *r, struct node *n)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const trues[] = {"true", "True", "TRUE"};
    static const char *const falses[] = {"false", "False", "FALSE"};
    static const char *const unlike_json[] = {".inf",  ".Inf", ".INF", "+.inf", "-.inf", "-.Inf",
                                              "-.INF", ".nan", ".NaN", ".NAN",  "+.Inf", "+.INF"};
    const char *s = n->text, *unsigned_s = s + (*s == '-' || *s == '+');
    if (one_of(s, nulls, COUNT(nulls)))
        n->type = NODE_NULL;
    else if (one_of(s, trues, COUNT(trues)) || one_of(s, falses, COUNT(falses)))
        n->type = NODE_BOOLEAN, n->flag = s[0] == 't' || s[0] == 'T';
    else if (all_digits(unsigned_s, "0123456789"))
        take_integer(r, n, s, 10);
    else if (!strncmp(s, "0o", 2) && all_digits(s + 2, "01234567"))
        take_integer(r, n, s + 2, 8);
    else if (!strncmp(s, "0x", 2) && all_digits(s + 2, "0123456789abcdefABCDEF"))
        take_integer(r, n, s + 2, 16);
    else if (one_of(s, unlike_json, COUNT(unlike_json)))
        refuse(r, n, "JSON has no infinite numbers, expected a finite one");
    else if (is_decimal_number(s)) {
        n->type = NODE_NUMBER;
        n->number = strtod(s, NULL);
        if (!isfinite(n->number))
            refuse(r, n, "the number is too large");
    }
}

/* ---- the tree ---- */

static void add_member(struct reader *r, struct frame *f, struct node *key, struct node *value)
{
    struct node *n = f->node;
    if (n->count == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 4;
        struct member *members = arena_array(r->arena, struct member, cap);
        if (n->count)
            memcpy(members, n->members, n->count * sizeof(*members));
        n->members = members;
        f->cap = cap;
    }
    n->members[n->count++] = (struct member){key, value};
    n->weight += value->weight + (key != NULL);
}

static void check_key(struct reader *r, const struct frame *f, struct node *key)
{
    if (key->type == NODE_LIST || key->type == NODE_MAP)
        refuse(r, key, "a key is a list or a map, expected a name");
    else if (!strcmp(key->text, "<<"))
        refuse(r, key, "merge keys (<<) are not part of YAML 1.2; write the members out");
    else if (node_get(f->node, key->text)) {
        problem_at(r->problems, key, "`%s` stands twice, first in line %u", key->text,
                   node_get(f->node, key->text)->line);
        r->failed = true;
    }
}

static void place(struct reader *r, struct node *n)
{
    if (!r->depth) {
        r->root = n;
        return;
    }
    struct frame *f = &r->stack[r->depth - 1];
    if (f->node->type == NODE_LIST) {
        add_member(r, f, NULL, n);
    } else if (!f->key) {
        check_key(r, f, n);
        f->key = n;
    } else {
        add_member(r, f, f->key, n);
        f->key = NULL;
    }
    if (f->node->type == NODE_MAP && f->node->count > NODE_KEYS_MAX)
        refuse(r, n, "the map has too many members");
    if (f->node->weight > NODE_COUNT_MAX)
        refuse(r, n, "the file is too large with all aliases written out");
}

static struct anchor *find_anchor(struct reader *r, const char *name)
{
    for (struct anchor *a = r->anchors; a; a = a->next)
        if (!strcmp(a->name, name))
            return a;
    return NULL;
}

static void add_anchor(struct reader *r, const yaml_char_t *name, struct node *n, bool complete)
{
    if (!name)
        return;
    if (++r->anchor_count > NODE_ANCHORS_MAX)
        refuse(r, n, "the file has too many anchors");
    struct anchor *a = arena_new(r->arena, struct anchor);
    *a = (struct anchor){r->anchors, arena_printf(r->arena, "%s", (const char *)name), n, complete};
    r->anchors = a;
}

static void complete_anchor(struct reader *r, const struct node *n)
{
    for (struct anchor *a = r->anchors; a; a = a->next)
        if (a->node == n)
            a->complete = true;
}

static void check_tag(struct reader *r, const struct node *n, const yaml_char_t *tag,
                      const char *allowed)
{
    if (tag && strcmp((const char *)tag, "!") != 0 && strcmp((const char *)tag, allowed) != 0)
        refuse(r, n, "a tag, expected a plain value");
}

static void on_alias(struct reader *r, const yaml_event_t *e)
{
    const char *name = (const char *)e->data.alias.anchor;
    struct anchor *a = find_anchor(r, name);
    struct node *here = make_node(r, NODE_NULL, e->start_mark);
    if (!a) {
        problem_at(r->problems, here, "there is no anchor &%s before this alias", name);
        r->failed = true;
    } else if (!a->complete) {
        refuse(r, here, "an alias stands inside what it names");
    } else {
        place(r, a->node);
    }
}

static void on_scalar(struct reader *r, const yaml_event_t *e)
{
    struct node *n = make_node(r, NODE_STRING, e->start_mark);
    n->text = arena_strndup(r->arena, (const char *)e->data.scalar.value, e->data.scalar.length);
    if (strlen(n->text) != e->data.scalar.length)
        refuse(r, n, "a text contains a zero byte");
    check_tag(r, n, e->data.scalar.tag, YAML_STR_TAG);
    if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !e->data.scalar.tag)
        resolve_plain(r, n);
    add_anchor(r, e->data.scalar.anchor, n, true);
    place(r, n);
}

static void open_collection(struct reader *r, enum node_type type, const yaml_event_t *e)
{
    struct node *n = make_node(r, type, e->start_mark);
    bool map = type == NODE_MAP;
    check_tag(r, n, map ? e->data.mapping_start.tag : e->data.sequence_start.tag,
              map ? YAML_MAP_TAG : YAML_SEQ_TAG);
    add_anchor(r, map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor, n, false);
    if (r->depth == NODE_DEPTH_MAX) {
        refuse(r, n, "nested too deeply");
        return;
    }
    r->stack[r->depth++] = (struct frame){.node = n};
}

static void close_collection(struct reader *r)
{
    struct node *n = r->stack[--r->depth].node;
    complete_anchor(r, n);
    place(r, n);
}

static void on_event(struct reader *r, const yaml_event_t *e)
{
    if (++r->count > NODE_COUNT_MAX || r->arena->used_bytes > NODE_ARENA_BYTES) {
        refuse(r, make_node(r, NODE_NULL, e->start_mark), "the file has too many values");
        return;
    }
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->root)
            refuse(r, make_node(r, NODE_NULL, e->start_mark),
                   "a second document begins, expected one flow per file");
        break;
    case YAML_ALIAS_EVENT:
        on_alias(r, e);
        break;
    case YAML_SCALAR_EVENT:
        on_scalar(r, e);
        break;
    case YAML_SEQUENCE_START_EVENT:
        open_collection(r, NODE_LIST, e);
        break;
    case YAML_MAPPING_START_EVENT:
        open_collection(r, NODE_MAP, e);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        close_collection(r);
        break;
    default:
        break;
    }
}

static void not_yaml(struct reader *r, const yaml_parser_t *parser)
{
    struct node *here = make_node(r, NODE_NULL, parser->problem_mark);
    if (parser->problem && strstr(parser->problem, "cannot start any token"))
        problem_at(r->problems, here,
                   "not YAML: %s (a tab? YAML indents with blanks; texts that "
                   "begin with one of %%@` need quotes)",
                   parser->problem);
    else if (parser->context)
        problem_at(r->problems, here, "not YAML: %s, %s", parser->problem, parser->context);
    else
        problem_at(r->problems, here, "not YAML: %s",
                   parser->problem ? parser->problem : "no reason");
    r->failed = true;
}

static void read_events(struct reader *r, yaml_parser_t *parser)
{
    bool end = false;
    while (!r->failed && !end) {
        yaml_event_t e;
        if (!yaml_parser_parse(parser, &e)) {
            not_yaml(r, parser);
            return;
        }
        on_event(r, &e);
        end = e.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&e);
    }
}

struct node *node_parse(struct arena *arena, const struct source *source, struct problems *problems)
{
    struct reader *r = arena_new(arena, struct reader);
    r->arena = arena;
    r->source = source;
    r->problems = problems;
    yaml_parser_t parser;
    yaml_mark_t top = {0};
    if (source->len > NODE_FILE_BYTES) {
        refuse(r, make_node(r, NODE_NULL, top), "the file is larger than 1 MB");
        return NULL;
    }
    if (!yaml_parser_initialize(&parser))
        abort();
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)source->text, source->len);
    read_events(r, &parser);
    yaml_parser_delete(&parser);
    if (!r->failed && !r->root)
        refuse(r, make_node(r, NODE_NULL, top), "the file is empty, expected a flow");
    return r->failed ? NULL : r->root;
}

struct node *node_get(const struct node *map, const char *key)
{
    for (size_t i = 0; map && map->type == NODE_MAP && i < map->count; i++)
        if (!strcmp(map->members[i].key->text, key))
            return map->members[i].value;
    return NULL;
}

const char *node_type_name(enum node_type type)
{
    static const char *const names[] = {"empty",    "true or false", "an integer", "a number",
                                        "a string", "a list",        "a map"};
    return names[type];
}

static json_t *collection_json(const struct node *node)
{
    json_t *out = node->type == NODE_LIST ? json_array() : json_object();
    for (size_t i = 0; i < node->count; i++) {
        json_t *value = node_json(node->members[i].value);
        if (node->type == NODE_LIST)
            json_array_append_new(out, value);
        else
            json_object_set_new(out, node->members[i].key->text, value);
    }
    return out;
}

json_t *node_json(const struct node *node)
{
    switch (node->type) {
    case NODE_NULL:
        return json_null();
    case NODE_BOOLEAN:
        return json_boolean(node->flag);
    case NODE_INTEGER:
        return json_integer(node->integer);
    case NODE_NUMBER:
        return json_real(node->number);
    case NODE_STRING:
        return json_string(node->text);
    case NODE_LIST:
    case NODE_MAP:
        break;
    }
    return collection_json(node);
}
