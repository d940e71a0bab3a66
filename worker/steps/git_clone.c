/* git.clone: one commit of a repository, without its history.
 *
 *   git init; git fetch --depth 1 URL REF; git checkout FETCH_HEAD; [git submodule update]; git
 * rev-parse HEAD
 *
 * `fetch` takes branches, tags and full commit ids alike; `clone --branch` does not.  Credentials
 * travel in the environment of git, never in arguments, in the clone's configuration or in a log.
 */
#include <openssl/evp.h>
#include <string.h>

#include "worker/steps.h"

enum { STAGE_MAX = 5, ENV_MAX = 12 };

static const struct step_param params[] = {
    /* clang-format off */
    {"url",        FLOW_STRING,   true,  NULL,       "https://, ssh://, git@host:path, file:// or a path"},
    {"ref",        FLOW_STRING,   false, "\"HEAD\"", "a branch, a tag or a full commit id"},
    {"dir",        FLOW_STRING,   false, "\"src\"",  "folder of the clone; relative to the run's work folder"},
    {"username",   FLOW_STRING,   false, NULL,       "for http(s); with `password`"},
    {"password",   FLOW_STRING,   false, NULL,       "or an access token"},
    {"submodules", FLOW_BOOLEAN,  false, "false",    "fetch submodules too"},
    {"timeout",    FLOW_DURATION, false, "300",      "of each git command"},
    /* clang-format on */
};

static const struct step_output outputs[] = {
    {"commit", FLOW_STRING, "id of the commit that is checked out"},
    {"dir", FLOW_STRING, "absolute path of the clone"},
    {"url", FLOW_STRING, "where it came from, without credentials"},
};

struct stage {
    const char *argv[12];
};

struct clone {
    const char *dir, *url; /* without credentials */
    const char *env[ENV_MAX];
    struct stage stages[STAGE_MAX];
    size_t stage_count, stage;
    char commit[65];
};

static void next_stage(struct step_call *call);

/* Takes "user:password@" out of an http(s) URL. */
static const char *split_url(struct step_call *call, const char *url, const char **user,
                             const char **password)
{
    const char *host = strstr(url, "://");
    if (strncmp(url, "http", 4) != 0 || !host)
        return url;
    host += 3;
    const char *at = memrchr(host, '@', strcspn(host, "/?#"));
    if (!at)
        return url;
    const char *colon = memchr(host, ':', (size_t)(at - host));
    *user = arena_strndup(call->arena, host, (size_t)((colon ? colon : at) - host));
    if (colon)
        *password = arena_strndup(call->arena, colon + 1, (size_t)(at - colon - 1));
    return arena_printf(call->arena, "%.*s%s", (int)(host - url), url, at + 1);
}

static const char *basic(struct step_call *call, const char *user, const char *password)
{
    const char *pair = arena_printf(call->arena, "%s:%s", user, password);
    size_t len = strlen(pair);
    char *code = arena_array(call->arena, char, len / 3 * 4 + 5);
    EVP_EncodeBlock((unsigned char *)code, (const unsigned char *)pair, (int)len);
    return code;
}

/* "https://host:port/": credentials must not reach the hosts of submodules. */
static const char *origin(struct step_call *call, const char *url)
{
    const char *host = strstr(url, "://");
    size_t len = host ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?#") : 0;
    return arena_printf(call->arena, "%.*s/", (int)len, url);
}

static void make_env(struct step_call *call, struct clone *c)
{
    const char *user = step_string(call, "username"), *password = step_string(call, "password");
    size_t n = 0;

    c->url = split_url(call, step_string(call, "url"), &user, &password);
    c->env[n++] = "GIT_TERMINAL_PROMPT=0";
    c->env[n++] = "GIT_ASKPASS=true";
    c->env[n++] = "GIT_SSH_COMMAND=ssh -oBatchMode=yes -oConnectTimeout=20";
    c->env[n++] = "LC_ALL=C";
    if (user || password) {
        c->env[n++] = "GIT_CONFIG_COUNT=1";
        c->env[n++] =
            arena_printf(call->arena, "GIT_CONFIG_KEY_0=http.%s.extraHeader", origin(call, c->url));
        c->env[n++] = arena_printf(call->arena, "GIT_CONFIG_VALUE_0=Authorization: Basic %s",
                                   basic(call, user ? user : "", password ? password : ""));
    }
}

static void add_stages(struct step_call *call, struct clone *c)
{
    const char *ref = step_string(call, "ref");
    const struct stage stages[STAGE_MAX] = {
        {{"git", "init", "-q", c->dir}},
        {{"git", "-C", c->dir, "fetch", "-q", "--depth=1", "--no-tags", "--", c->url, ref}},
        {{"git", "-C", c->dir, "-c", "advice.detachedHead=false", "checkout", "-q", "-f",
          "FETCH_HEAD"}},
        {{"git", "-C", c->dir, "submodule", "update", "-q", "--init", "--recursive", "--depth=1"}},
        {{"git", "-C", c->dir, "rev-parse", "HEAD"}},
    };
    for (size_t i = 0; i < STAGE_MAX; i++)
        if (i != 3 || step_flag(call, "submodules"))
            c->stages[c->stage_count++] = stages[i];
}

static void on_line(struct step_call *call, int fd, const char *line)
{
    struct clone *c = call->state;
    size_t len = strlen(line);
    bool last = c->stage + 1 == c->stage_count;
    if (last && fd == 1 && (len == 40 || len == 64) && strspn(line, "0123456789abcdef") == len)
        memcpy(c->commit, line, len + 1);
    else
        step_log(call, LOG_INFO, "%s", line);
}

static void finish(struct step_call *call, struct clone *c)
{
    if (!c->commit[0]) {
        step_done(call, err_set(&call->err, IO,
                                "git did not tell which commit is checked out in %s", c->dir));
        return;
    }
    step_log(call, LOG_INFO, "%s is at %s", c->url, c->commit);
    step_output(call, "commit", json_string(c->commit));
    step_output(call, "dir", json_string(c->dir));
    step_output(call, "url", json_string(c->url));
    step_done(call, ERR_OK);
}

static void on_exited(struct step_call *call, const struct step_exit *how)
{
    struct clone *c = call->state;
    const char *what =
        arena_printf(call->arena, "git %s of %s at %s", c->stages[c->stage].argv[c->stage ? 3 : 1],
                     c->url, step_string(call, "ref"));
    enum err_code code = step_exit_code(call, what, how);
    if (code) {
        step_done(call, code);
    } else if (++c->stage == c->stage_count) {
        c->stage--;
        finish(call, c);
    } else {
        next_stage(call);
    }
}

static void next_stage(struct step_call *call)
{
    struct clone *c = call->state;
    enum err_code code = step_exec(call, &(struct step_exec){
                                             .argv = c->stages[c->stage].argv,
                                             .env = c->env,
                                             .timeout_s = step_number(call, "timeout"),
                                             .line = on_line,
                                             .exited = on_exited,
                                         });
    if (code)
        step_done(call, code);
}

static void start(struct step_call *call)
{
    struct clone *c = arena_new(call->arena, struct clone);
    const char *ref = step_string(call, "ref");

    call->state = c;
    c->dir = step_path(call, step_string(call, "dir"));
    if (!ref[0] || ref[0] == '-' || strpbrk(ref, " ~^:?*[\\\n")) {
        step_done(call, err_set(&call->err, INVALID,
                                "`ref` is not a branch, a tag or a commit id: %.100s", ref));
        return;
    }
    make_env(call, c);
    add_stages(call, c);
    next_stage(call);
}

const struct step git_clone_step = {
    .schema = {.name = "git.clone",
               .doc = "Checks out one commit of a Git repository, without its history.",
               STEP_PARAMS(params),
               STEP_OUTPUTS(outputs)},
    .start = start,
};
