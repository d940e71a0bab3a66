#include "server/store/campaigns.h"

#include "server/db/params.h"

enum { LIST_MAX = 100 };

enum err_code campaign_status(struct work *w, const char *name, struct rows *out)
{
    const char *queue = arena_printf(&w->arena, "campaign-%s", name);
    const char *tag = arena_printf(&w->arena, "campaign:%s", name);
    enum err_code rc = db_query(w, Q_campaign_status, PARAMS(name, queue, tag), out);

    if (!rc && !rows_text(out, 0, 0))
        return err_set(&w->err, NOT_FOUND, "there is no campaign %s", name);
    return rc;
}

enum err_code campaigns_list(struct work *w, struct rows *out)
{
    return db_query(w, Q_campaigns_list, PARAMS(param_i64(w, LIST_MAX)), out);
}

enum err_code campaign_run_ids(struct work *w, const char *name, struct rows *out)
{
    return db_query(w, Q_campaign_run_ids, PARAMS(arena_printf(&w->arena, "campaign:%s", name)),
                    out);
}
