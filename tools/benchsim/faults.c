#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static const struct {
    const char *name, *doc;
} known[] = {
    {"unplug", "the port vanishes"},
    {"replug", "the port vanishes and comes back as another device"},
    {"drop-byte", "one byte of the stream is lost"},
    {"dup-byte", "one byte comes twice"},
    {"flip-byte", "one byte is XORed with VALUE (default 255)"},
    {"odd-start", "one stray byte before the first frame"},
    {"no-stamp", "one time stamp is missing"},
    {"short-block", "a block of 999 samples"},
    {"long-block", "a block of 1001 samples"},
    {"f0f0f3", "a low byte F0 directly before a time stamp"},
    {"stamp-f0f3", "time stamps whose payload looks like a tag"},
    {"wrap", "the clock wraps: bit 31"},
    {"overcurrent", "F1 text, F4, summary"},
    {"overcurrent-4", "F5 of 4 bytes, F4"},
    {"overcurrent-8", "F5 of 8 bytes, F4"},
    {"unknown-tag", "a frame F0 FA, FB or FC (VALUE 0 to 4)"},
    {"error-text", "F1 with a text, then the end"},
    {"early-end", "F4 without a reason; `status` knows it"},
    {"brown-out", "the target loses its supply for 100 ms"},
    {"stuck", "the current stays at one value"},
    {"zero", "the jumper is out"},
    {"bias", "+VALUE A (default 8 mA) in the first acquisition"},
    {"idle-step", "+VALUE A (default 10 mA) from then on"},
    {"drift", "VALUE A/s (default 1 mA/s)"},
    {"skew", "the sample clock is off by VALUE (default 0.01)"},
    {"stall", "the stream stops without an end"},
    {"residual-prompt", "debris in the line at the first command"},
    {"reply-shift", "each answer comes one command late"},
    {"err-word", "`err` instead of `error`"},
    {"ack-never", "no answer to the command WHEN"},
    {"refuse", "an error as answer to the command WHEN"},
    {"stale", "samples of the last acquisition come after the next `ack start`"},
    {"split-summary", "the summary comes in pieces, 30 ms apart"},
    {"slow-powerup", "the meter is deaf for VALUE seconds (default 0.6) after it got its port"},
    {"buffer-99", "the meter says that its buffer is nearly full"},
    {"overflow", "the meter's buffer runs over"},
    {"bin-hex", "knows `format bin_hex` only"},
    {"ascii-only", "knows `format ascii_dec` only"},
    {"no-boot", "the board stays silent"},
    {"no-edge", "nothing comes on the trigger input"},
};

void fault_list(FILE *out)
{
    for (size_t i = 0; i < COUNT(known); i++)
        fprintf(out, "  %-16s %s\n", known[i].name, known[i].doc);
}

const char *fault_parse(struct faults *f, const char *text)
{
    if (f->count == FAULTS_MAX)
        return "too many faults";
    struct fault *fault = &f->items[f->count];
    size_t len = strcspn(text, "=@");
    if (len >= sizeof(fault->name))
        return "no such fault";
    *fault = (struct fault){0};
    memcpy(fault->name, text, len);
    bool found = false;
    for (size_t i = 0; i < COUNT(known); i++)
        found |= !strcmp(known[i].name, fault->name);
    if (!found)
        return "no such fault";
    const char *rest = text + len;
    if (*rest == '=') {
        char *end;
        fault->value = strtod(rest + 1, &end);
        fault->has_value = true;
        rest = end;
    }
    if (*rest && *rest != '@')
        return "expected NAME[=VALUE][@WHEN]";
    snprintf(fault->when, sizeof(fault->when), "%s", *rest ? rest + 1 : "");
    f->count++;
    return NULL;
}

static void fire(struct sim *s, struct fault *f)
{
    f->fired = true;
    f->fired_sample = s->meter.samples;
    f->fired_s = s->meter.rate_hz > 0 ? (double)s->meter.samples / s->meter.rate_hz : 0;
}

struct fault *fault_find(struct sim *s, const char *name)
{
    for (size_t i = 0; i < s->faults.count; i++)
        if (!strcmp(s->faults.items[i].name, name))
            return &s->faults.items[i];
    return NULL;
}

struct fault *fault_for_command(struct sim *s, const char *name, const char *command)
{
    for (size_t i = 0; i < s->faults.count; i++) {
        struct fault *f = &s->faults.items[i];
        if (!strcmp(f->name, name) && (!*f->when || !strcmp(f->when, command))) {
            fire(s, f);
            return f;
        }
    }
    return NULL;
}

/* [ACQUISITION:]SECONDS.  Without a number: in any acquisition that lasts so long. */
struct fault *stream_fault(struct sim *s, const char *name)
{
    for (size_t i = 0; i < s->faults.count; i++) {
        struct fault *f = &s->faults.items[i];
        if (f->fired || strcmp(f->name, name) != 0)
            continue;
        const char *colon = strchr(f->when, ':');
        if (colon && atoi(f->when) != s->meter.run)
            continue;
        if ((double)s->meter.samples / s->meter.rate_hz < atof(colon ? colon + 1 : f->when))
            continue;
        fire(s, f);
        return f;
    }
    return NULL;
}
