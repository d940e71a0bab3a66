/* The nodes of a document, for doc.c (which makes them) and val.c (which reads them).
 *
 * A value is one node; the nodes of its content follow it.  Members are a key node and a value
 * node. */
#pragma once
#include "shared/json/doc.h"

enum {
    NODE_ESCAPED = 1,    /* a string with backslashes */
    NODE_UNSTORABLE = 2, /* a string with U+0000 or a lone surrogate */
    NODE_COUNT_MAX = (1 << 26) - 1,
};

struct doc_node {
    uint32_t start, end; /* byte offsets into the text, quotes included */
    uint32_t next;       /* index after this value; while it is open: the container around it */
    uint32_t type : 4, flags : 2, count : 26;
};

/* One character of a string token; *at stands after the opening quote or after the last character.
 * Returns its bytes in UTF-8 (three for a lone surrogate). */
int node_take_char(const char **at, char out_bytes[static 4]);
