/* Fetches objects from S3 and what speaks its language (MinIO, Ceph, Swift).
 * Thread: any; s3_get() blocks. */
#pragma once
#include "shared/base/arena.h"
#include "worker/io/http_get.h"

struct s3_object {
    const char *endpoint; /* "https://s3.eu-central-1.amazonaws.com", "http://127.0.0.1:9000"; may
                             have a path */
    const char *region;   /* NULL: us-east-1 */
    const char *bucket, *key;
    const char *version;                 /* versionId; NULL: the latest */
    const char *access_key, *secret_key; /* both NULL: an unsigned request */
    const char *session_token;           /* NULL: none */
    bool virtual_host;                   /* bucket.endpoint/key instead of endpoint/bucket/key */
};

struct s3_request {
    const char *url;
    const char *headers[6]; /* "Name: value", NULL at the end */
};

/* Checks the object's description and signs a GET for it at a point in time.
 * Errors: ERR_INVALID names the member and what was expected. */
MUST_CHECK enum err_code s3_sign(const struct s3_object *object, int64_t now_us, struct arena *a,
                                 struct s3_request *out, struct err *e);

/* `get` gives path, max_bytes, sha256, cancelled and progress; the rest is set here.
 * Errors: as http_get(); a refusal has the server's code and message and the most likely cause. */
MUST_CHECK enum err_code s3_get(const struct s3_object *object, const struct http_get *get,
                                struct arena *a, struct http_got *out, struct err *e);

/* The text of the first element `name` in an S3 error document, "" when there is none.  For tests.
 */
void s3_error_text(const char *xml, const char *name, char *out_text, size_t size);
