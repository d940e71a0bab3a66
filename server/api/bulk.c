#include "server/api/bulk.h"

#include "server/db/params.h"
#include "server/http/reply.h"
#include "server/store/deployments.h"
#include "server/store/flows.h"
#include "shared/json/write.h"

struct bulk {
    struct given given;
    struct filter_node *filter;
    int64_t limit;
};

#define BULK_ROWS(name, target)                                                                    \
    F_ROW(name, struct bulk, filter, FIELD_OBJECT, struct filter_node *,                           \
          .of = &filter_resources[target], F_NULLABLE, .doc = "Which; all if none."),              \
        F_INT(struct bulk, limit, .def = "50", F_GE(1), F_LE(50), .doc = "At most so many.")
static const struct field flows_fields[] = {BULK_ROWS("flows", FILTER_FLOWS)};
const struct resource bulk_flows_resource =
    RESOURCE_NAMED("Body_bulk_delete_flows", bulk, flows_fields, .extra = true);
static const struct field deployments_fields[] = {BULK_ROWS("deployments", FILTER_DEPLOYMENTS)};
const struct resource bulk_deployments_resource =
    RESOURCE_NAMED("Body_bulk_delete_deployments", bulk, deployments_fields, .extra = true);

static enum err_code find(struct request *rq, const char *select, enum filter_target target,
                          struct rows *out)
{
    const struct bulk *in = request_in(rq, struct bulk);
    struct sql s;

    sql_begin(&s, &rq->work);
    sql_add(&s, select);
    filter_compile(&s, target, target, in->filter);
    sql_add(&s, " ORDER BY 1 LIMIT ");
    sql_param(&s, param_i64(&rq->work, in->limit));
    return sql_run(&s, out);
}

/* Each found one, unless another request was faster; all in one transaction. */
static enum err_code delete_all(struct request *rq, const struct rows *found,
                                enum err_code (*delete)(struct work *, struct uuid))
{
    struct buf *b = &rq->reply.body;
    struct work *w = &rq->work;
    enum err_code rc = db_begin(w);

    write_object(b);
    write_key(b, "deleted");
    write_array(b);
    for (int i = 0; i < found->count && !rc; i++) {
        struct uuid id;
        if (!uuid_parse(rows_text(found, i, 0), rows_len(found, i, 0), &id))
            continue;
        rc = delete (w, id);
        if (!rc)
            write_uuid(b, id);
        if (rc == ERR_NOT_FOUND)
            rc = ERR_OK;
    }
    write_end_array(b);
    write_end_object(b);
    rc = db_end(w, rc);
    return rc ? rc : reply_status(rq, 200);
}

enum err_code deployments_bulk_delete(struct request *rq)
{
    struct rows found;
    enum err_code rc =
        find(rq, "SELECT d.id FROM deployment d WHERE true", FILTER_DEPLOYMENTS, &found);
    return rc ? rc : delete_all(rq, &found, deployment_delete);
}

/* The deployments go first, with the limits that were made for them. */
static enum err_code delete_flow(struct work *w, struct uuid id)
{
    struct rows found;
    enum err_code rc = db_query_text(w, "SELECT id FROM deployment WHERE flow_id = $1", 1,
                                     PARAMS(param_uuid(w, id)), &found);

    for (int i = 0; i < found.count && !rc; i++) {
        struct uuid deployment;
        if (uuid_parse(rows_text(&found, i, 0), rows_len(&found, i, 0), &deployment))
            rc = deployment_delete(w, deployment);
    }
    return rc ? rc : flow_delete(w, id);
}

enum err_code flows_bulk_delete(struct request *rq)
{
    struct rows found;
    enum err_code rc = find(rq, "SELECT f.id FROM flow f WHERE true", FILTER_FLOWS, &found);
    return rc ? rc : delete_all(rq, &found, delete_flow);
}
