/* Time zones, read from the compiled IANA files (TZif, version 2 and later).
 *
 * Wall-clock time and instants are both counts of seconds since 1970-01-01T00:00:00, the first as
 * the clock on the wall shows it.  A wall time that a change of the clocks skips (a gap) or shows
 * twice (a fold) has two readings; which one counts differs between the kinds of schedules:
 *
 *                        02:30 in a spring gap     01:30 in an autumn fold
 *     ZONE_FORWARD_FIRST 03:30                     the first one
 *     ZONE_FORWARD_LAST  03:30                     the second one
 *     ZONE_BACK_FIRST    01:30                     the first one
 *
 * Owns:   struct zones owns its zones; they live as long as it does.
 * Errors: NOT_FOUND for a name that is not a zone, INTERNAL for a file that cannot be used.
 * Thread: any; a zone does not change once read.
 * Source: RFC 8536; POSIX.1-2017 section 8.3 for the rule in the footer. */
#pragma once
#include "shared/base/err.h"

enum { ZONES_MAX = 1024, ZONE_NAME_MAX = 64 };

enum zone_reading { ZONE_FORWARD_FIRST, ZONE_FORWARD_LAST, ZONE_BACK_FIRST };

struct zone;
struct zones;

/* dir NULL: the environment's TZDIR, else /usr/share/zoneinfo. */
struct zones *zones_new(const char *dir);
void zones_free(struct zones *z);
MUST_CHECK enum err_code zones_get(struct zones *z, const char *name, const struct zone **out,
                                   struct err *e);

/* Whether the name could be a zone: no path tricks, no private folders. */
bool zone_name_valid(const char *name);
const char *zone_name(const struct zone *z);
bool zone_is_utc(const struct zone *z); /* never another offset than 0 */
/* East of Greenwich is positive. */
int zone_offset_s(const struct zone *z, int64_t instant_s);
int64_t zone_wall_s(const struct zone *z, int64_t instant_s);
int64_t zone_instant_s(const struct zone *z, int64_t wall_s, enum zone_reading reading);
/* The last change of the offset at or before the instant; false if there is none. */
bool zone_change_before(const struct zone *z, int64_t instant_s, int64_t *out_at_s,
                        int *out_change_s);
/* The first one after it. */
bool zone_change_after(const struct zone *z, int64_t instant_s, int64_t *out_at_s);
