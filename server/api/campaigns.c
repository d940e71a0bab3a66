#include "server/api/campaigns.h"

#include "server/http/reply.h"
#include "server/store/campaigns.h"

enum err_code campaigns_get(struct request *rq)
{
    struct rows rows;
    enum err_code rc = campaign_status(&rq->work, rq->params[0], &rows);
    return rc ? rc : reply_text(rq, 200, rows_text(&rows, 0, 0));
}

enum err_code campaigns_get_all(struct request *rq)
{
    struct rows rows;
    enum err_code rc = campaigns_list(&rq->work, &rows);
    return rc ? rc : reply_text(rq, 200, rows_text(&rows, 0, 0));
}

enum err_code campaigns_run_ids(struct request *rq)
{
    struct rows rows;
    enum err_code rc = campaign_run_ids(&rq->work, rq->params[0], &rows);
    return rc ? rc : reply_text(rq, 200, rows_text(&rows, 0, 0));
}
