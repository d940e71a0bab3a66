/* Measurements as rows. */
#pragma once
#include "server/http/request.h"

enum err_code measurements_filter(struct request *rq);
enum err_code measurements_count(struct request *rq);
enum err_code measurements_compare_get(struct request *rq);
