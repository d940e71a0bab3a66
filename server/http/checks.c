#include "server/http/checks.h"

#include <microhttpd.h>
#include <string.h>

#include "server/http/assets.h"
#include "server/http/auth.h"
#include "server/http/cors.h"
#include "server/http/csrf.h"
#include "server/http/reply.h"
#include "server/http/route.h"
#include "server/server.h"

struct header_census {
    int lengths, encodings, hosts;
};

static enum MHD_Result count_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    struct header_census *census = cls;
    (void)kind, (void)value;

    census->lengths += strcasecmp(name, "Content-Length") == 0;
    census->encodings += strcasecmp(name, "Transfer-Encoding") == 0;
    census->hosts += strcasecmp(name, "Host") == 0;
    return MHD_YES;
}

/* libmicrohttpd lets these through; a proxy in front could be made to disagree about where a
 * request ends. */
static enum err_code check_framing(struct request *rq)
{
    struct header_census census = {0};

    MHD_get_connection_values(rq->connection, MHD_HEADER_KIND, count_header, &census);
    if (census.lengths <= 1 && census.encodings <= 1 && !(census.lengths && census.encodings) &&
        census.hosts <= 1)
        return ERR_OK;
    rq->body.full = true; /* close afterwards: what follows cannot be trusted */
    return err_set(&rq->work.err, BAD_REQUEST, "Invalid HTTP request received.");
}

static bool is_authorized(struct request *rq)
{
    const char *given = request_header(rq, "Authorization");
    return auth_caller(rq->work.server->auth, given) != AUTH_NOBODY;
}

static bool is_open(const struct request *rq)
{
    return rq->method == GET &&
           (strcmp(rq->path, "/api/health") == 0 || strcmp(rq->path, "/api/ready") == 0);
}

static enum err_code check_route(struct request *rq)
{
    const char *allow = NULL;
    enum err_code rc = route_find(rq, &allow);

    if (rc == ERR_NOT_FOUND &&
        settings_bool(&rq->work.server->config.settings, SETTING_SERVER_UI_ENABLED) &&
        assets_reply(rq))
        return ERR_CANCELLED; /* answered */
    if (rc == ERR_METHOD && allow)
        reply_header(rq, "Allow", allow);
    return rc;
}

enum err_code checks_headers(struct request *rq)
{
    if (cors_answer_preflight(rq))
        return ERR_CANCELLED;
    enum err_code rc = check_framing(rq);
    if (!rc)
        rc = csrf_check(rq->work.server->csrf, rq);
    if (rc)
        return rc;
    bool api = strncmp(rq->path, "/api", 4) == 0 && (rq->path[4] == '/' || !rq->path[4]);
    if (api && !is_open(rq) && !is_authorized(rq))
        return err_set_object(&rq->work.err, AUTH, "Unauthorized");
    return check_route(rq);
}
