/* References between documents.   Source: RFC 3986, 5.2 and 5.3; what is not a URI stays text. */
#pragma once
#include "shared/base/arena.h"
#include "shared/json/value.h"

/* `reference` seen from `base`, both without a fragment, in the arena. */
const char *uri_resolve(struct arena *a, const char *base, const char *reference);
