#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static const double idle_a = 0.0071, boot_a = 0.011, inrush_a = 0.045, inrush_s = 0.002,
                    bump_a = 0.0012, empty_a = 0.0005, noise_a = 2e-5, noise_rel = 0.002,
                    analog_hz = 50000;

static double uniform(struct current *c)
{
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    return (double)(c->random >> 11) / 9007199254740992.0;
}

/* The sum of twelve is Gaussian enough. */
static double gaussian(struct current *c)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += uniform(c);
    return sum;
}

bool current_load(struct current *c, const char *folder)
{
    char path[PATH_MAX_BYTES + 32];
    snprintf(path, sizeof(path), "%s/trace1-energy.bin", folder);
    FILE *f = fopen(path, "rb");
    uint8_t head[5];
    float rate = 0;
    if (!f || fread(head, 1, 5, f) != 5 || head[0] != 0xF1) {
        if (f)
            fclose(f);
        return false;
    }
    memcpy(&rate, head + 1, 4);
    c->replay_rate_hz = rate;
    size_t room = 0;
    for (float e; fread(&e, 4, 1, f) == 1; c->replay_uj[c->replay_count++] = e) {
        if (c->replay_count < room)
            continue;
        room = room ? room * 2 : 65536;
        c->replay_uj = realloc(c->replay_uj, room * sizeof(float));
        if (!c->replay_uj)
            abort();
    }
    fclose(f);
    return c->replay_count > 0 && rate > 0;
}

static double replayed_a(const struct sim *s, uint64_t k)
{
    const struct current *c = &s->current;
    size_t bin =
        (size_t)((double)k / s->meter.rate_hz * c->replay_rate_hz + 1e-9) % c->replay_count;
    return c->replay_uj[bin] * 1e-6 * c->replay_rate_hz / s->meter.volts_v;
}

/* Memory accesses of a layered network: a slow swing between layers and a fast ripple. */
static double inference_a(const struct board *b, double t_s)
{
    double layers = sin(2 * M_PI * 190 * t_s), loops = sin(2 * M_PI * 3100 * t_s);
    return b->active_a * (1 + 0.05 * layers + 0.02 * loops);
}

static double board_a(const struct board *b, uint64_t now)
{
    double t_s = (double)(now - b->since_ns) / 1e9;
    double bump = now < b->uart_until_ns ? bump_a : 0;
    switch (b->state) {
    case BOARD_OFF:
        return 0;
    case BOARD_BOOTING:
        return (b->qemu > 0 ? boot_a : empty_a) + inrush_a * exp(-t_s / inrush_s) + bump;
    case BOARD_INFERRING:
        return inference_a(b, t_s) + bump;
    default:
        return idle_a + bump;
    }
}

/* Without a board: 0.6 s idle, 0.4 s busy. */
static double synthetic_a(const struct sim *s, uint64_t k)
{
    double t_s = (double)k / s->meter.rate_hz;
    bool busy = fmod(t_s, 1) >= 0.6;
    return busy ? 0.022 * (1 + 0.03 * sin(2 * M_PI * 170 * t_s)) : idle_a;
}

static double fault_value(struct sim *s, const char *name, double fallback)
{
    struct fault *f = fault_find(s, name);
    return f && f->fired ? f->has_value ? f->value : fallback : 0;
}

static double fault_shift_a(struct sim *s)
{
    const struct fault *drift = fault_find(s, "drift");
    double shift = fault_value(s, "idle-step", 0.01);
    if (s->meter.run == 1)
        shift += fault_value(s, "bias", 0.008);
    if (drift && drift->fired)
        shift += fault_value(s, "drift", 0.001) *
                 ((double)s->meter.samples / s->meter.rate_hz - drift->fired_s);
    return shift;
}

double current_drawn_a(struct sim *s, uint64_t k, uint64_t now)
{
    double a;
    if (s->current.replay_count)
        a = replayed_a(s, k);
    else if (!s->board.present)
        a = s->meter.power_on || s->meter.power_auto ? synthetic_a(s, k) : 0;
    else
        a = board_a(&s->board, now);
    return a > 0 ? a + fault_shift_a(s) : 0;
}

/* Gain, bandwidth and noise; a replayed trace has its own. */
double current_measured_a(struct sim *s, double drawn_a)
{
    struct current *c = &s->current;
    if (c->replay_count || drawn_a <= 0)
        return drawn_a;
    double share = 1 - exp(-2 * M_PI * analog_hz / s->meter.rate_hz);
    c->filtered_a += share * (drawn_a * c->gain - c->filtered_a);
    return c->filtered_a + gaussian(c) * (noise_a + noise_rel * drawn_a);
}

/* m * 16^-n with the largest m below 4096: normalised as the manual's examples are. */
uint16_t quantise(double a)
{
    if (!(a > 0))
        return 0;
    int n = 14;
    while (n > 0 && ldexp(a, 4 * n) >= 4095.5)
        n--;
    uint16_t m = (uint16_t)lround(ldexp(a, 4 * n));
    return (uint16_t)(m ? n << 12 | m : 0);
}

double quantised_a(uint16_t raw)
{
    return ldexp(raw & 0xFFF, -4 * (raw >> 12));
}
