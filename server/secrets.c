#include "server/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/sha256.h"

enum { KEY_BYTES = 32, NONCE_BYTES = 12, TAG_BYTES = 16, FORMAT = 1, HEAD_BYTES = 1 + NONCE_BYTES };

struct secrets {
    uint8_t key[KEY_BYTES];
};

static bool from_hex(const char *text, size_t digits, uint8_t *out)
{
    for (size_t i = 0; i < digits; i++) {
        char c = text[i];
        int value = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (value < 0)
            return false;
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | value : value << 4);
    }
    return true;
}

/* The key goes to a file of another name first, so that a crash leaves none or a whole one. */
static enum err_code make_key(const char *path, uint8_t *key, struct err *e)
{
    char fresh[4200];

    snprintf(fresh, sizeof(fresh), "%s.new", path);
    if (RAND_bytes(key, KEY_BYTES) != 1)
        return err_set(e, IO, "%s: no random numbers", path);
    int fd = open(fresh, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(e, IO, "%s: %s", fresh, strerror(errno));
    bool ok = write(fd, key, KEY_BYTES) == KEY_BYTES && fsync(fd) == 0;
    ok = close(fd) == 0 && ok && rename(fresh, path) == 0;
    return ok ? ERR_OK : err_set(e, IO, "%s: %s", path, strerror(errno));
}

static enum err_code read_key(const char *path, uint8_t *key, struct err *e)
{
    uint8_t bytes[KEY_BYTES + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return make_key(path, key, e);
    if (fd < 0)
        return err_set(e, IO, "%s: %s", path, strerror(errno));
    ssize_t len = read(fd, bytes, sizeof(bytes));
    close(fd);
    if (len != KEY_BYTES)
        return err_set(e, INVALID, "%s: expected a key of %d bytes", path, KEY_BYTES);
    memcpy(key, bytes, KEY_BYTES);
    return ERR_OK;
}

enum err_code secrets_open(const char *data_folder, struct secrets **out, struct err *e)
{
    const char *given = getenv("SWITCHYARD_SECRETS_KEY");
    char path[4096];
    struct secrets *s = calloc(1, sizeof(*s));
    enum err_code rc = ERR_OK;

    if (!s)
        return err_set(e, INTERNAL, "out of memory");
    if (given && (strlen(given) != 2 * KEY_BYTES || !from_hex(given, 2 * KEY_BYTES, s->key)))
        rc = err_set(e, INVALID, "SWITCHYARD_SECRETS_KEY: expected %d hexadecimal digits",
                     2 * KEY_BYTES);
    snprintf(path, sizeof(path), "%s/secrets.key", data_folder);
    if (!rc && !given)
        rc = read_key(path, s->key, e);
    if (rc) {
        secrets_close(s);
        return rc;
    }
    *out = s;
    return ERR_OK;
}

void secrets_close(struct secrets *s)
{
    if (!s)
        return;
    OPENSSL_cleanse(s->key, sizeof(s->key));
    free(s);
}

static void release_context(void *context)
{
    EVP_CIPHER_CTX_free(context);
}

/* A context with key, nonce and the id as additional data; NULL when OpenSSL fails. */
static EVP_CIPHER_CTX *begin(const struct secrets *s, struct arena *a, bool seal,
                             const uint8_t *nonce, const struct uuid *id)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int len;

    if (!context)
        return NULL;
    arena_defer(a, release_context, context);
    if (EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, s->key, nonce, seal) != 1 ||
        EVP_CipherUpdate(context, NULL, &len, id->bytes, sizeof(id->bytes)) != 1)
        return NULL;
    return context;
}

static void die(void)
{
    fprintf(stderr, "secrets: OpenSSL failed to encrypt\n");
    abort();
}

const char *secrets_seal(const struct secrets *s, struct arena *a, struct uuid id, struct raw text)
{
    size_t size = HEAD_BYTES + text.len + TAG_BYTES;
    uint8_t *bytes = arena_array(a, uint8_t, size);
    int len;

    bytes[0] = FORMAT;
    if (RAND_bytes(bytes + 1, NONCE_BYTES) != 1)
        die();
    EVP_CIPHER_CTX *context = begin(s, a, true, bytes + 1, &id);
    if (!context ||
        EVP_CipherUpdate(context, bytes + HEAD_BYTES, &len, (const uint8_t *)text.text,
                         (int)text.len) != 1 ||
        EVP_CipherFinal_ex(context, bytes + HEAD_BYTES + text.len, &len) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_BYTES,
                            bytes + HEAD_BYTES + text.len) != 1)
        die();
    char *out = arena_array(a, char, 2 * size + 3);
    out[0] = '\\';
    out[1] = 'x';
    hex_text(bytes, size, out + 2);
    return out;
}

enum err_code secrets_unseal(const struct secrets *s, struct arena *a, struct uuid id,
                             const char *bytea, struct raw *out, struct err *e)
{
    static const char wrong[] =
        "a block document cannot be decrypted: the key is not the one it was saved with";
    size_t digits = bytea && strncmp(bytea, "\\x", 2) == 0 ? strlen(bytea + 2) : 0,
           size = digits / 2;
    uint8_t *bytes = arena_array(a, uint8_t, size + 1);
    int len;

    if (size < HEAD_BYTES + TAG_BYTES || !from_hex(bytea + 2, digits, bytes) || bytes[0] != FORMAT)
        return err_set(e, INTERNAL, "a block document has a form that this version does not know");
    size_t text_len = size - HEAD_BYTES - TAG_BYTES;
    char *text = arena_array(a, char, text_len + 1);
    EVP_CIPHER_CTX *context = begin(s, a, false, bytes + 1, &id);
    if (!context ||
        EVP_CipherUpdate(context, (uint8_t *)text, &len, bytes + HEAD_BYTES, (int)text_len) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG_BYTES,
                            bytes + HEAD_BYTES + text_len) != 1 ||
        EVP_CipherFinal_ex(context, (uint8_t *)text + text_len, &len) != 1)
        return err_set(e, INTERNAL, "%s", wrong);
    *out = (struct raw){text, text_len};
    return ERR_OK;
}
