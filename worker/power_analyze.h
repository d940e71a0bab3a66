/* What `power analyze` does.  Errors: INVALID (damaged, with the reason), IO. */
#pragma once
#include <jansson.h>

#include "shared/base/err.h"

/* Prints to stdout, on success only. */
MUST_CHECK enum err_code power_analyze(const char *path, bool json, struct err *e);
/* One line of JSON, numbers to 12 digits. */
void power_print(const json_t *value);
