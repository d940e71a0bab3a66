#include "shared/json/uri.h"

#include <ctype.h>
#include <string.h>

/* scheme: // authority path ? query; the marks belong to their parts. */
struct uri {
    struct raw scheme, authority, path, query;
};

static struct raw take(const char **at, size_t len)
{
    struct raw part = {*at, len};

    *at += len;
    return part;
}

static size_t scheme_len(const char *text)
{
    size_t len = 0;

    if (!isalpha((unsigned char)text[0]))
        return 0;
    while (isalnum((unsigned char)text[len]) || (text[len] && strchr("+-.", text[len])))
        len++;
    return text[len] == ':' ? len + 1 : 0;
}

static struct uri split(const char *text)
{
    struct uri u;

    u.scheme = take(&text, scheme_len(text));
    u.authority = take(&text, strncmp(text, "//", 2) == 0 ? 2 + strcspn(text + 2, "/?") : 0);
    u.path = take(&text, strcspn(text, "?"));
    u.query = take(&text, strlen(text));
    return u;
}

/* The path of the base up to its last slash, then that of the reference. */
static struct raw merge(struct arena *a, const struct uri *base, struct raw path)
{
    const char *slash = memrchr(base->path.text, '/', base->path.len);
    int kept = slash ? (int)(slash - base->path.text) + 1 : 0;
    bool root = base->authority.len && !base->path.len;
    const char *text = arena_printf(a, "%s%.*s%.*s", root ? "/" : "", kept, base->path.text,
                                    (int)path.len, path.text);

    return (struct raw){text, strlen(text)};
}

/* `.` and `..` go, as in RFC 3986, 5.2.4. */
static struct raw without_dots(struct arena *a, struct raw path)
{
    char *out = arena_strndup(a, path.text, path.len), *to = out;
    const char *from = path.text, *end = path.text + path.len;

    while (from < end) {
        const char *slash = memchr(from + 1, '/', (size_t)(end - from - 1));
        size_t len = (size_t)((slash ? slash : end) - from), skip = *from == '/';
        bool up = len == skip + 2 && memcmp(from + skip, "..", 2) == 0;
        bool here = len == skip + 1 && from[skip] == '.';
        if (up)
            for (to = to > out ? to - 1 : to; to > out && *to != '/';)
                to--;
        if (!up && !here)
            to = mempcpy(to, from, len);
        else if (!slash && skip)
            *to++ = '/';
        from += len;
    }
    return (struct raw){out, (size_t)(to - out)};
}

const char *uri_resolve(struct arena *a, const char *base, const char *reference)
{
    struct uri from = split(base), u = split(reference);

    if (!u.scheme.len) {
        bool relative = u.path.len && u.path.text[0] != '/';
        bool empty = !u.path.len && !u.authority.len;
        if (relative && !u.authority.len)
            u.path = merge(a, &from, u.path);
        if (empty)
            u.path = from.path;
        if (empty && !u.query.len)
            u.query = from.query;
        if (!u.authority.len)
            u.authority = from.authority;
        u.scheme = from.scheme;
    }
    u.path = without_dots(a, u.path);
    return arena_printf(a, "%.*s%.*s%.*s%.*s", (int)u.scheme.len, u.scheme.text,
                        (int)u.authority.len, u.authority.text, (int)u.path.len, u.path.text,
                        (int)u.query.len, u.query.text);
}
