/* Signs an HTTP request the way AWS, MinIO, Ceph and Swift expect it.
 *
 * Source: AWS General Reference, "Signature Version 4 signing process"; Amazon S3 API Reference,
 *         "Authenticating Requests: Using the Authorization Header".
 * Thread: any; nothing is kept. */
#pragma once
#include "shared/base/arena.h"

enum { SIGV4_MAX_HEADERS = 16, SIGV4_MAX_QUERY = 16 };

struct sigv4_pair {
    const char *name, *value;
};

struct sigv4_request {
    const char *method;
    const char *path;               /* percent-encoded once, as it is sent: sigv4_encode() */
    const struct sigv4_pair *query; /* not encoded; any order */
    size_t query_count;
    const struct sigv4_pair
        *headers; /* all that are signed; lower-case names, with host and x-amz-date */
    size_t header_count;
    const char *payload_sha256; /* hexadecimal, or "UNSIGNED-PAYLOAD" */
    const char *date;           /* "20130524T000000Z", the same as x-amz-date */
    const char *region, *service;
    const char *access_key, *secret_key;
};

#define SIGV4_EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* The value of the header Authorization. */
const char *sigv4_authorization(struct arena *a, const struct sigv4_request *rq);

/* Percent-encodes everything but A-Z a-z 0-9 - . _ ~ and, when `keep_slash`, '/'. */
const char *sigv4_encode(struct arena *a, const char *text, bool keep_slash);

/* Sorted and encoded, "" when empty: what is signed and what is sent. */
const char *sigv4_query(struct arena *a, const struct sigv4_pair *query, size_t count);
