/* Actions that send something with a block. */
#include <string.h>

#include "server/services/action_context.h"
#include "server/services/action_run.h"
#include "server/services/notifications.h"
#include "server/store/block_documents.h"
#include "shared/base/clock.h"
#include "shared/json/compose.h"
#include "shared/json/write.h"

enum { TOLD_BYTES = 1000, REASON_BYTES = 600 };

struct block {
    const char *name, *slug;
    struct val data; /* with its secrets */
};

static const char *column_of(const struct column *columns, const struct resource *r,
                             const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (!strcmp(r->fields[i].name, name))
            return columns[i].text;
    return NULL;
}

/* Sets result->reason when there is none. */
static enum err_code load_block(struct work *w, const struct claimed_action *a,
                                struct action_result *result, struct block *out)
{
    struct uuid id = a->action.block_document_id;
    struct block_set documents = {0}, schemas = {0};
    enum err_code rc = block_documents_load(w, (struct uuids){&id, 1}, &documents, &schemas);

    if (rc)
        return rc;
    const struct block_row *row = block_find(&documents, uuid_text(&w->arena, id));
    if (!row) {
        (void)err_set(&w->err, NOT_FOUND, "Block document not found");
        return result_refused(w, a, result);
    }
    *out = (struct block){
        .name = column_of(row->columns, &block_document_resource, "name"),
        .slug = column_of(row->type, &block_type_resource, "slug"),
        .data = row->json,
    };
    return ERR_OK;
}

static void relate_block(struct work *w, const struct claimed_action *a, const struct block *b,
                         struct action_result *result)
{
    result_relate(result,
                  arena_printf(&w->arena, "prefect.block-document.%s",
                               uuid_text(&w->arena, a->action.block_document_id)),
                  "block", b->name ? b->name : "");
    result_relate(result, arena_printf(&w->arena, "prefect.block-type.%s", b->slug), "block-type",
                  NULL);
}

/* All templates rendered; sets result->reason when one cannot be. */
static enum err_code render_all(struct work *w, const struct claimed_action *a,
                                const char *const *templates, const char **out, size_t count,
                                struct action_result *result)
{
    struct action_context *c;
    const char *reason;
    enum err_code rc = action_context_load(w, a, templates, count, &c);

    if (rc == ERR_INVALID) {
        result->reason = arena_printf(&w->arena, "Template rendering failed: %s", w->err.detail);
        return ERR_OK;
    }
    for (size_t i = 0; !rc && !result->reason && i < count; i++) {
        if (action_context_render(c, templates[i], &out[i], &reason))
            continue;
        result_text(result, "template_error",
                    arena_printf(&w->arena,
                                 "Failed to render template due to the following error: %s",
                                 reason));
        result_text(result, "template_source", templates[i]);
        result->reason = arena_printf(&w->arena, "Template rendering failed: %s", reason);
    }
    return rc;
}

/* Secrets of the block do not come along: neither URLs nor bodies are told. */
static void deliver_all(struct work *w, const struct block *b, const char *const *texts,
                        struct action_result *result)
{
    struct deliveries *all = arena_new(&w->arena, struct deliveries);
    const struct message m = {texts[0], texts[1], clock_now_us()};
    struct delivery_reply reply;
    const char *reason;

    if (!notification_build(&w->arena, b->slug, b->data, &m, all, &reason)) {
        result->reason = arena_printf(&w->arena, "The notification block was invalid: %s", reason);
        return;
    }
    for (size_t i = 0; i < all->count && !result->reason; i++) {
        struct err e = {0};
        if (!notification_deliver(&w->arena, &all->items[i], &reply, &e))
            continue;
        result_text(result, "notification_log",
                    arena_printf(&w->arena, "%.*s", REASON_BYTES, e.detail));
        result->reason = "Notification failed";
    }
}

enum err_code action_send_notification(struct work *w, const struct claimed_action *a,
                                       struct action_result *result)
{
    const char *const templates[] = {a->action.subject, a->action.body};
    const char *texts[COUNT(templates)];
    struct block b = {0};

    enum err_code rc = load_block(w, a, result, &b);
    if (rc || result->reason)
        return rc;
    if (!notification_known(b.slug)) {
        result->reason = "The referenced block was not a notification block";
        return ERR_OK;
    }
    relate_block(w, a, &b, result);
    rc = render_all(w, a, templates, texts, COUNT(templates), result);
    if (!rc)
        rc = action_put_off(w, a, ACTION_SENDING_S);
    if (!rc && !result->reason)
        deliver_all(w, &b, texts, result);
    return rc;
}

static bool is_secret_header(const char *name)
{
    static const char *const secret[] = {"authorization", "cookie",   "token", "secret",
                                         "key",           "password", "auth"};

    for (size_t i = 0; i < COUNT(secret); i++)
        if (strcasestr(name, secret[i]))
            return true;
    return false;
}

/* The first 1000 bytes, cut between characters. */
static const char *told_body(struct work *w, const char *body)
{
    size_t n = strlen(body);

    if (n <= TOLD_BYTES)
        return body;
    for (n = TOLD_BYTES - 3; n && ((unsigned char)body[n] & 0xc0) == 0x80;)
        n--;
    return arena_printf(&w->arena, "%.*s...", (int)n, body);
}

static void tell_reply(struct work *w, const struct delivery_reply *reply,
                       struct action_result *result)
{
    result_int(result, "status_code", reply->status);
    result_text(result, "response_body", told_body(w, reply->body));
    write_key(&result->details, "response_headers");
    write_object(&result->details);
    for (size_t i = 0; i < reply->header_count; i++)
        if (!is_secret_header(reply->headers[i].name))
            result_text(result, reply->headers[i].name, reply->headers[i].value);
    write_end_object(&result->details);
}

enum err_code action_call_webhook(struct work *w, const struct claimed_action *a,
                                  struct action_result *result)
{
    const char *payload = "", *reason;
    struct delivery *d = arena_new(&w->arena, struct delivery);
    struct delivery_reply reply;
    struct err e = {0};
    struct block b = {0};

    enum err_code rc = load_block(w, a, result, &b);
    if (rc || result->reason)
        return rc;
    if (!b.slug || strcmp(b.slug, "webhook") != 0) {
        result->reason = "The referenced block was not a webhook block";
        return ERR_OK;
    }
    relate_block(w, a, &b, result);
    rc = render_all(w, a, &a->action.payload, &payload, 1, result);
    if (!rc)
        rc = action_put_off(w, a, ACTION_SENDING_S);
    if (rc || result->reason)
        return rc;
    if (!webhook_build(&w->arena, b.data, payload, d, &reason))
        result->reason = arena_printf(&w->arena, "The webhook block was invalid: %s", reason);
    else if (notification_deliver(&w->arena, d, &reply, &e))
        result->reason = arena_printf(&w->arena, "Webhook call failed: %s", e.detail);
    else
        tell_reply(w, &reply, result);
    return ERR_OK;
}
