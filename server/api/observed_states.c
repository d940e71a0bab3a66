/* Which states runs have gone through, for filters of pages. */
#include "server/api/observed_states.h"

#include <string.h>

#include "server/db/params.h"
#include "server/http/reply.h"

struct observed_state {
    struct given given;
    const char *state_type, *state_name;
    int64_t first_seen_us, last_seen_us;
};

static const struct field fields[] = {
    F_STR(struct observed_state, state_type, F_REQUIRED, .doc = "The state's type."),
    F_STR(struct observed_state, state_name, F_REQUIRED, .doc = "Its exact name."),
    F_TIME(struct observed_state, first_seen, F_REQUIRED, .doc = "Its first transition."),
    F_TIME(struct observed_state, last_seen, F_REQUIRED, .doc = "Its last transition."),
};
const struct resource observed_state_resource =
    RESOURCE_NAMED("ObservedState", observed_state, fields);

struct states_query {
    struct given given;
    const char *query;
    int order_by;
    int64_t limit;
};

static const struct enum_name orders[] = {{"NAME_ASC", 0}, {"LAST_SEEN_DESC", 1}, {NULL, 0}};
static const struct field query_fields[] = {
    F_STR(struct states_query, query, F_NULLABLE, F_LEN(0, 100), .doc = "How type or name begins."),
    F_ENUM(struct states_query, order_by, orders, .def = "\"LAST_SEEN_DESC\"", .doc = "The order."),
    F_INT(struct states_query, limit, F_GE(1), F_LE(200), .def = "200", .doc = "At most so many."),
};
static const struct resource query_resource = RESOURCE_NAMED("Query", states_query, query_fields);

/* Without the blanks around it; NULL when nothing is left. */
static const char *strip(struct arena *a, const char *text)
{
    static const char blanks[] = " \t\r\n\f\v";

    if (!text)
        return NULL;
    text += strspn(text, blanks);
    size_t len = strlen(text);
    while (len && strchr(blanks, text[len - 1]))
        len--;
    return len ? arena_strndup(a, text, len) : NULL;
}

enum err_code observed_states_list(struct request *rq)
{
    struct states_query in;
    struct rows rows;
    struct work *w = &rq->work;
    enum err_code rc = request_decode_query(rq, &query_resource, &in);

    if (!rc)
        rc = db_query(w, Q_observed_states,
                      PARAMS(strip(&w->arena, in.query), param_bool(in.order_by == 0),
                             param_i64(w, in.limit)),
                      &rows);
    return rc ? rc : reply_rows(rq, &observed_state_resource, &rows);
}
