/* Reading events: POST /events/filter, GET /events/filter/next, POST /events/count-by/{countable}.
 */
#pragma once
#include "server/http/request.h"

enum err_code events_filter(struct request *rq);
enum err_code events_filter_next(struct request *rq);
enum err_code events_count_by(struct request *rq);
