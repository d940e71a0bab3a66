/* From ELF to the plain bytes that most flash tools take: the loadable segments at their load
 * addresses, gaps filled with FF as erased flash reads.
 * Source: the ELF specification, 32 bits, little end first. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/lab/board.h"

enum { ELF_MAX_BYTES = 64 << 20, BIN_MAX_BYTES = 16 << 20, SEGMENTS_MAX = 64 };
enum { HEAD_BYTES = 52, SEGMENT_BYTES = 32, PT_LOAD_TYPE = 1 };

struct segment {
    uint32_t offset, address, bytes;
};

struct image {
    const uint8_t *bytes;
    size_t len;
    struct segment segments[SEGMENTS_MAX];
    size_t count;
    uint32_t first, end; /* addresses */
};

static uint32_t u32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t u16(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}

static bool take_segment(struct image *m, const uint8_t *p)
{
    struct segment s = {u32(p + 4), u32(p + 12), u32(p + 16)};
    if (u32(p) != PT_LOAD_TYPE || !s.bytes)
        return true;
    if (m->count == SEGMENTS_MAX || s.offset > m->len || s.bytes > m->len - s.offset ||
        s.address > UINT32_MAX - s.bytes)
        return false;
    if (!m->count || s.address < m->first)
        m->first = s.address;
    if (!m->count || s.address + s.bytes > m->end)
        m->end = s.address + s.bytes;
    m->segments[m->count++] = s;
    return m->end - m->first <= BIN_MAX_BYTES;
}

static bool parse(struct image *m)
{
    if (m->len < HEAD_BYTES || memcmp(m->bytes, "\177ELF\1\1", 6) != 0)
        return false;
    uint32_t at = u32(m->bytes + 28), size = u16(m->bytes + 42), count = u16(m->bytes + 44);
    if (size < SEGMENT_BYTES || at > m->len || (uint64_t)size * count > m->len - at)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!take_segment(m, m->bytes + at + i * size))
            return false;
    return m->count > 0;
}

static enum err_code write_bin(struct step_work *work, const struct image *m, const char *path)
{
    uint32_t len = m->end - m->first;
    uint8_t *bin = arena_array(work->arena, uint8_t, len);
    memset(bin, 0xFF, len);
    for (size_t i = 0; i < m->count; i++)
        memcpy(bin + (m->segments[i].address - m->first), m->bytes + m->segments[i].offset,
               m->segments[i].bytes);
    FILE *f = fopen(path, "wbe");
    bool written = f && fwrite(bin, 1, len, f) == len;
    if (f && fclose(f))
        written = false;
    return written ? ERR_OK : err_set(&work->err, IO, "cannot write %s: %s", path, strerror(errno));
}

enum err_code board_make_bin(struct step_work *work)
{
    struct board_flash *flash = work->arg;
    FILE *f = fopen(flash->image, "rbe");
    if (!f)
        return err_set(&work->err, NOT_FOUND, "cannot read the image %s: %s", flash->image,
                       strerror(errno));
    long len = fseek(f, 0, SEEK_END) ? -1 : ftell(f);
    if (len < 0 || len > ELF_MAX_BYTES || fseek(f, 0, SEEK_SET)) {
        fclose(f);
        return err_set(&work->err, TOO_LARGE, "%s has more than %d bytes", flash->image,
                       ELF_MAX_BYTES);
    }
    uint8_t *bytes = arena_array(work->arena, uint8_t, (size_t)len + 1);
    struct image m = {bytes, fread(bytes, 1, (size_t)len, f), .count = 0};
    fclose(f);
    if (!parse(&m))
        return err_set(&work->err, INVALID,
                       "%s is not an ELF file of 32 bits with bytes to load (at most %d MB)",
                       flash->image, BIN_MAX_BYTES >> 20);
    flash->address = m.first;
    return write_bin(work, &m, flash->bin);
}
