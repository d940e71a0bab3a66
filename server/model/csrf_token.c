#include "server/model/csrf_token.h"

static const struct field fields[] = {
    F_UUID(struct csrf_token, id, .doc = "Assigned by the server."),
    F_TIME(struct csrf_token, created, F_NULLABLE, .doc = "When the client's first one was made."),
    F_TIME(struct csrf_token, updated, F_NULLABLE, .doc = "When this one was made."),
    F_STR(struct csrf_token, token, .doc = "To be sent as Prefect-Csrf-Token."),
    F_STR(struct csrf_token, client, .doc = "To be sent as Prefect-Csrf-Client."),
    F_TIME(struct csrf_token, expiration, .doc = "Not valid from then on."),
};
const struct resource csrf_token_resource = RESOURCE_NAMED("CsrfToken", csrf_token, fields);
