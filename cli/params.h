/* Parameters on the command line, and the runs that they make.
 * Errors: INVALID, with the word at fault. */
#pragma once
#include "cli/cli.h"
#include "shared/base/sha256.h"

/* `key=value`: value is JSON when it parses, else text.  Sets it in `into`. */
MUST_CHECK enum err_code param_set(struct err *e, const char *text, json_t *into);

/* `key=a,b,c`: adds an axis to `axes`, an object of arrays in the order of the calls.
 * Commas inside of quotes, brackets and braces do not separate.  `key=@file`: a value in each line.
 * INVALID: none, an empty one, or one twice. */
MUST_CHECK enum err_code axis_add(struct err *e, const char *text, json_t *axes);

/* Another order, the same for the same seed. */
void matrix_shuffle(json_t *all, const char *seed);

/* One object of parameters per combination, the last axis turning fastest; at most `most`. */
MUST_CHECK enum err_code matrix_expand(struct err *e, json_t *params, json_t *axes, size_t most,
                                       json_t **out);

/* "ad01-stm32f405": the values of the axes, files without folder and extension. */
const char *combination_name(struct arena *a, json_t *axes, json_t *params);

/* The same campaign, deployment and parameters give the same key, whatever their order. */
const char *run_key(struct arena *a, const char *campaign, const char *deployment_id,
                    json_t *params);

/* sha256 of a file, as 64 hexadecimal digits. */
MUST_CHECK enum err_code sha256_file(struct err *e, const char *path,
                                     char out_text[static SHA256_TEXT_BYTES]);
