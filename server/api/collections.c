/* GET /collections/views/{view}: what there is to choose from.  Worker types come from
 * web/collections/workers.json; of the other views there is nothing here, and nothing is fetched
 * from elsewhere. */
#include "server/api/collections.h"

#include <string.h>

#include "server/http/assets.h"
#include "server/http/reply.h"

static const struct {
    const char *view, *asset; /* NULL: empty */
} views[] = {
    {"aggregate-worker-metadata", "/collections/workers.json"},
    {"aggregate-block-metadata", NULL},
    {"aggregate-flow-metadata", NULL},
    {"demo-flows", NULL},
};

enum err_code collections_view(struct request *rq)
{
    const char *name = rq->params[0];

    for (size_t i = 0; i < COUNT(views); i++) {
        if (strcmp(views[i].view, name) != 0)
            continue;
        if (!views[i].asset)
            return reply_text(rq, 200, "{}");
        if (!assets_add(&rq->reply.body, views[i].asset))
            return err_set(&rq->work.err, INTERNAL, "%s cannot be unpacked", views[i].asset);
        return reply_status(rq, 200);
    }
    return err_set(&rq->work.err, NOT_FOUND, "View %.200s not found in registry", name);
}
