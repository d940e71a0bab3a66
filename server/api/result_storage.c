#include "server/api/result_storage.h"

#include "server/http/reply.h"
#include "server/model/result_storage.h"
#include "server/store/result_storage.h"

enum err_code result_storage_read(struct request *rq)
{
    struct rows rows;
    enum err_code rc = result_storage_get(&rq->work, &rows);
    return rc ? rc : reply_row(rq, 200, &result_storage_resource, &rows, 0);
}

enum err_code result_storage_update(struct request *rq)
{
    const struct result_storage *in = request_in(rq, struct result_storage);
    enum err_code rc = result_storage_set(&rq->work, in->default_result_storage_block_id);
    return rc ? rc : result_storage_read(rq);
}

enum err_code result_storage_delete(struct request *rq)
{
    enum err_code rc = result_storage_clear(&rq->work);
    return rc ? rc : reply_empty(rq, 204);
}
