/* Webhooks, and those that people describe themselves. */
#include <ctype.h>
#include <string.h>

#include "server/model/notification_build.h"

/* ---- placeholders ---- */

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("_.-[]$", c));
}

/* `{{ name }}` at p: its end, with the name; NULL: it is none. */
static const char *placeholder(struct arena *a, const char *p, const char **out_name)
{
    const char *from, *to;

    if (strncmp(p, "{{", 2) != 0)
        return NULL;
    for (from = p + 2; *from == ' ';)
        from++;
    for (to = from; is_name(*to);)
        to++;
    *out_name = arena_strndup(a, from, (size_t)(to - from));
    for (p = to; *p == ' ';)
        p++;
    return to > from && !strncmp(p, "}}", 2) ? p + 2 : NULL;
}

/* A secret of the block, or subject, body and name. */
static const char *value_of(struct building *b, const char *name)
{
    struct val secret = val_get(val_get(b->data, "secrets"), name);
    struct buf text = {.max_bytes = NOTIFICATION_MAX_BYTES};

    if (!strcmp(name, "subject"))
        return b->m->subject;
    if (!strcmp(name, "body"))
        return b->m->body;
    if (!strcmp(name, "name"))
        return building_text(b, "name", "");
    if (val_type(secret) == DOC_STRING)
        return val_string(b->a, secret, NULL);
    if (val_type(secret) == DOC_NONE) {
        if (!b->reason)
            b->reason = arena_printf(b->a, "unknown placeholder {{ %s }}", name);
        return "";
    }
    val_write(&text, secret);
    const char *out = arena_strndup(b->a, text.bytes, text.len);
    buf_free(&text);
    return out;
}

static const char *filled(struct building *b, const char *text)
{
    struct buf out = {.max_bytes = NOTIFICATION_MAX_BYTES};
    const char *name, *end, *value;

    while (*text) {
        if ((end = placeholder(b->a, text, &name))) {
            value = value_of(b, name);
            buf_add(&out, value, strlen(value));
            text = end;
        } else {
            buf_add(&out, text++, 1);
        }
    }
    value = arena_strndup(b->a, out.len ? out.bytes : "", out.len);
    buf_free(&out);
    return value;
}

static void write_filled(struct building *b, struct buf *out, struct val v)
{
    enum doc_type type = val_type(v);

    if (type == DOC_STRING) {
        write_string(out, filled(b, val_string(b->a, v, NULL)));
    } else if (type == DOC_OBJECT) {
        write_object(out);
        for (struct val_iter it = val_each(v); val_next(&it);) {
            write_key(out, val_string(b->a, it.key, NULL));
            write_filled(b, out, it.value);
        }
        write_end_object(out);
    } else if (type == DOC_ARRAY) {
        write_array(out);
        for (struct val_iter it = val_each(v); val_next(&it);)
            write_filled(b, out, it.value);
        write_end_array(out);
    } else {
        write_raw(out, val_raw(v));
    }
}

/* ---- custom webhooks ---- */

/* `a=1&b=2` of a dict of texts, filled. */
static const char *form_of(struct building *b, struct val dict)
{
    const char *form = "";

    for (struct val_iter it = val_each(dict); val_next(&it);) {
        const char *text = val_string(b->a, it.value, NULL);
        if (text)
            form = arena_printf(b->a, "%s%s%s=%s", form, *form ? "&" : "",
                                building_escape(b, val_string(b->a, it.key, NULL)),
                                building_escape(b, filled(b, text)));
    }
    return form;
}

static void add_cookies(struct building *b, struct delivery *d, struct val cookies)
{
    const char *all = "";

    if (val_type(cookies) != DOC_OBJECT)
        return;
    for (struct val_iter it = val_each(cookies); val_next(&it);)
        if (val_type(it.value) == DOC_STRING)
            all = arena_printf(b->a, "%s%s%s=%s", all, *all ? "; " : "",
                               val_string(b->a, it.key, NULL),
                               filled(b, val_string(b->a, it.value, NULL)));
    if (*all)
        delivery_header(d, "Cookie", all);
}

/* A header that is there already is replaced. */
static void put_header(struct delivery *d, const char *name, const char *value)
{
    size_t i = 0;

    while (i < d->header_count && strcasecmp(d->headers[i].name, name) != 0)
        i++;
    if (i < d->header_count)
        d->headers[i].value = value;
    else
        delivery_header(d, name, value);
}

static void add_headers(struct building *b, struct delivery *d, struct val headers)
{
    if (val_type(headers) != DOC_OBJECT)
        return;
    for (struct val_iter it = val_each(headers); val_next(&it);)
        if (val_type(it.value) == DOC_STRING)
            put_header(d, val_string(b->a, it.key, NULL),
                       filled(b, val_string(b->a, it.value, NULL)));
}

static void add_form(struct building *b, struct delivery *d, struct val form)
{
    bool text = val_type(form) == DOC_STRING;

    if (!text)
        delivery_header(d, "Content-Type", "application/x-www-form-urlencoded");
    d->body = text ? filled(b, val_string(b->a, form, NULL)) : form_of(b, form);
    d->body_len = strlen(d->body);
}

bool build_custom_webhook(struct building *b)
{
    struct val json = val_get(b->data, "json_data"), form = val_get(b->data, "form_data");
    struct val params = val_get(b->data, "params");
    struct delivery *d = building_add(b, filled(b, building_need(b, "url")));
    struct buf body = {.max_bytes = NOTIFICATION_MAX_BYTES};
    double timeout_s;

    if (val_type(json) > DOC_NULL && val_type(form) > DOC_NULL)
        b->reason = "both `Form Data` and `JSON Data` provided";
    d->header_count = 1; /* the rest depends on the body */
    d->method = building_text(b, "method", "POST");
    if (val_double(val_get(b->data, "timeout"), &timeout_s) && timeout_s > 0)
        d->timeout_ms = timeout_s > 60 ? 60000 : (int64_t)(timeout_s * 1000);
    if (val_type(params) == DOC_OBJECT && val_count(params))
        d->url = arena_printf(b->a, "%s%s%s", d->url, strchr(d->url, '?') ? "&" : "?",
                              form_of(b, params));
    if (val_type(json) > DOC_NULL) {
        delivery_header(d, "Content-Type", "application/json");
        write_filled(b, &body, json);
        delivery_body(b, d, &body);
    } else if (val_type(form) > DOC_NULL) {
        add_form(b, d, form);
    }
    add_headers(b, d, val_get(b->data, "headers"));
    add_cookies(b, d, val_get(b->data, "cookies"));
    return !b->reason;
}

/* ---- plain webhooks ---- */

bool webhook_build(struct arena *a, struct val data, const char *payload, struct delivery *out,
                   const char **out_reason)
{
    struct building b = {.a = a, .data = data};
    struct val headers = val_get(data, "headers");

    *out = (struct delivery){
        .method = building_text(&b, "method", "POST"),
        .url = building_need(&b, "url"),
        .body = payload,
        .body_len = strlen(payload),
        .verify = building_flag(&b, "verify", true),
        .allow_private = building_flag(&b, "allow_private_urls", true),
        .timeout_ms = 10000,
        .any_status = true,
    };
    if (val_type(headers) == DOC_OBJECT)
        for (struct val_iter it = val_each(headers); val_next(&it);)
            if (val_type(it.value) == DOC_STRING)
                delivery_header(out, val_string(a, it.key, NULL), val_string(a, it.value, NULL));
    *out_reason = b.reason;
    return !b.reason;
}
