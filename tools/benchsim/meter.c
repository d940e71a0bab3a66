#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "sim.h"

/* ---- what each command takes ---- */

enum takes {
    TAKES_NOTHING,
    TAKES_ANYTHING,
    TAKES_WORD,
    TAKES_RATE,
    TAKES_NUMBER,
    TAKES_VOLT,
    TAKES_PWR
};

struct command {
    const char *name;
    int who;
    enum takes takes;
    const char *words; /* " a b c " */
    double low, high;
    int delay_ms;
    bool free; /* allowed without host control */
    void (*done)(struct sim *s, const char *argument, char *answer);
};

static void do_identity(struct sim *s, const char *argument, char *answer)
{
    (void)argument;
    snprintf(answer, TEXT_MAX, "%s",
             s->meter.personality == V3PWR ? "ack STLINK-V3PWR 003A00343137510D33333639"
                                           : "ack powershield 540619864-1110659081-4784204");
}

static void do_version(struct sim *s, const char *argument, char *answer)
{
    (void)argument;
    static const char *const texts[] = {
        [V3PWR] = "SIM V1.0", [LPM01A_100] = "1.0.0", [LPM01A_107] = "1.0.7"};
    snprintf(answer, TEXT_MAX, "ack version: %s", texts[s->meter.personality]);
}

static void do_status(struct sim *s, const char *argument, char *answer)
{
    (void)argument;
    if (*s->meter.error)
        snprintf(answer, TEXT_MAX, "error: %.200s", s->meter.error);
    else
        snprintf(answer, TEXT_MAX, "ack status ok");
    s->meter.error[0] = 0;
}

static void do_quiet(struct sim *s, const char *argument, char *answer)
{
    (void)argument, (void)answer;
    s->meter.quiet = true;
}

static void do_htc(struct sim *s, const char *argument, char *answer)
{
    (void)argument, (void)answer;
    s->meter.mode = METER_HOST;
}

static void do_hrc(struct sim *s, const char *argument, char *answer)
{
    (void)argument, (void)answer;
    s->meter.mode = s->meter.personality == V3PWR ? METER_HOST : METER_STANDALONE;
}

static double suffixed(const char *text)
{
    char *end;
    double value = strtod(text, &end);
    static const struct {
        char c;
        double by;
    } suffixes[] = {{'u', 1e-6}, {'m', 1e-3}, {'k', 1e3}};
    for (size_t i = 0; i < COUNT(suffixes); i++)
        if (*end == suffixes[i].c)
            return end[1] ? NAN : value * suffixes[i].by;
    if ((*end == '-' || *end == '+') && isdigit((unsigned char)end[1]))
        return value * pow(10, atof(end));
    return *end || end == text ? NAN : value;
}

static void do_freq(struct sim *s, const char *argument, char *answer)
{
    (void)answer;
    s->meter.rate_hz = suffixed(argument);
}

static void do_acqtime(struct sim *s, const char *argument, char *answer)
{
    (void)answer;
    s->meter.acqtime_s = strcmp(argument, "inf") ? suffixed(argument) : 0;
}

static void do_format(struct sim *s, const char *argument, char *answer)
{
    (void)answer;
    s->meter.ascii = !strncmp(argument, "ascii", 5);
}

static void do_volt(struct sim *s, const char *argument, char *answer)
{
    if (!strcmp(argument, "get"))
        snprintf(answer, TEXT_MAX, "ack volt get %04ld-03", lround(s->meter.volts_v * 1000));
    else
        s->meter.volts_v = suffixed(argument);
}

static void do_pwr(struct sim *s, const char *argument, char *answer)
{
    struct meter *m = &s->meter;
    if (!strncmp(argument, "get", 3)) {
        snprintf(answer, TEXT_MAX, "ack pwr get %s", m->power_on ? "on" : "off");
        return;
    }
    m->power_on = !strncmp(argument, "on", 2);
    m->power_auto = !strncmp(argument, "auto", 4);
    board_power(s, m->power_on);
}

static void do_trigsrc(struct sim *s, const char *argument, char *answer)
{
    (void)answer;
    s->meter.hardware_trigger = strcmp(argument, "sw") != 0;
}

static void do_trigdelay(struct sim *s, const char *argument, char *answer)
{
    (void)answer;
    s->meter.trigger_delay_s = suffixed(argument);
}

static void do_temp(struct sim *s, const char *argument, char *answer)
{
    (void)s;
    if (strstr(argument, "deg"))
        snprintf(answer, TEXT_MAX, "ack temp %s 27", argument);
}

static void do_targrst(struct sim *s, const char *argument, char *answer)
{
    (void)answer;
    if (s->meter.mode == METER_RUNNING && !s->meter.ascii)
        stream_put(s, "\xF0\xF6\xFF\xFF", 4);
    board_brown_out(s, (uint64_t)(suffixed(argument) * 1e9));
}

/* The meter restarts: its port is gone for a while, the supply at once. */
static void do_psrst(struct sim *s, const char *argument, char *answer)
{
    static const double gone_s = 5;
    (void)argument, (void)answer;
    s->meter.power_on = false;
    board_power(s, false);
    meter_unplug(s, gone_s);
}

// clang-format off
static const struct command commands[] = {
    {"powershield",   ANY,        TAKES_NOTHING,  .delay_ms = 10, .free = true, .done = do_identity},
    {"version",       ANY,        TAKES_NOTHING,  .delay_ms = 10, .free = true, .done = do_version},
    {"apiver",        V3PWR,      TAKES_NOTHING,  .delay_ms = 10, .free = true},
    {"help",          ANY,        TAKES_NOTHING,  .delay_ms = 10, .free = true},
    {"echo",          ANY,        TAKES_ANYTHING, .delay_ms = 10, .free = true},
    {"status",        ANY,        TAKES_NOTHING,  .delay_ms = 10, .free = true, .done = do_status},
    {"range",         V3PWR | LPM01A_107, TAKES_NOTHING, .delay_ms = 10, .free = true},
    {"htc",           ANY,        TAKES_NOTHING,  .delay_ms = 20, .free = true, .done = do_htc},
    {"hrc",           ANY,        TAKES_NOTHING,  .delay_ms = 20, .free = true, .done = do_hrc},
    {"power_monitor", V3PWR,      TAKES_NOTHING,  .delay_ms = 10, .free = true, .done = do_quiet},
    {"lcd",           LPM01A,     TAKES_ANYTHING, .delay_ms = 35},
    {"freq",          ANY,        TAKES_RATE,     .delay_ms = 25, .done = do_freq},
    {"acqtime",       LPM01A_100, TAKES_NUMBER, " inf ", 0, 10, 25, .done = do_acqtime},
    {"acqtime",       V3PWR | LPM01A_107, TAKES_NUMBER, " inf ", 0, 100, 25, .done = do_acqtime},
    {"acqmode",       LPM01A,     TAKES_WORD, " dyn stat ", .delay_ms = 25},
    {"funcmode",      LPM01A,     TAKES_WORD, " optim high ", .delay_ms = 25},
    {"output",        LPM01A,     TAKES_WORD, " current energy ", .delay_ms = 25},
    {"format",        ANY,        TAKES_WORD, " ascii_dec bin_hexa bin_hex ", .delay_ms = 25, .done = do_format},
    {"trigsrc",       LPM01A,     TAKES_WORD, " sw d7 ", .delay_ms = 25, .done = do_trigsrc},
    {"trigsrc",       V3PWR,      TAKES_WORD, " sw hw ", .delay_ms = 25, .done = do_trigsrc},
    {"trigdelay",     LPM01A_100, TAKES_NUMBER, NULL, 0, 600, 25, .done = do_trigdelay},
    {"trigdelay",     V3PWR | LPM01A_107, TAKES_NUMBER, NULL, 0, 30, 25, .done = do_trigdelay},
    {"currthre",      LPM01A,     TAKES_NUMBER, NULL, 0, 0.01, 25},
    {"currthres",     V3PWR | LPM01A_107, TAKES_NUMBER, NULL, 0, 0.05, 25},
    {"volt",          LPM01A,     TAKES_VOLT, NULL, 1.8, 3.3, 1260, .done = do_volt},
    {"volt",          V3PWR,      TAKES_VOLT, NULL, 1.6, 3.6, 120, .done = do_volt},
    {"pwr",           V3PWR | LPM01A_107, TAKES_PWR, .delay_ms = 50, .done = do_pwr},
    {"pwrend",        ANY,        TAKES_WORD, " on off ", .delay_ms = 25},
    {"targrst",       ANY,        TAKES_NUMBER, NULL, 0, 1, 25, .done = do_targrst},
    {"temp",          ANY,        TAKES_ANYTHING, .delay_ms = 25, .done = do_temp},
    {"autotest",      ANY,        TAKES_ANYTHING, .delay_ms = 200},
    {"psrst",         ANY,        TAKES_NOTHING,  .delay_ms = 0, .done = do_psrst},
    {"calib",         ANY,        TAKES_NOTHING,  .delay_ms = 800},
    {"eventsrc",      LPM01A_107, TAKES_ANYTHING, .delay_ms = 25},
    {"start",         ANY,        TAKES_NOTHING,  .delay_ms = 27},
};
// clang-format on

static bool is_rate(const char *text)
{
    static const double rates[] = {1e5, 5e4, 2e4, 1e4, 5e3, 2e3, 1e3, 500,
                                   200, 100, 50,  20,  10,  5,   2,   1};
    double value = suffixed(text);
    for (size_t i = 0; i < COUNT(rates); i++)
        if (fabs(value - rates[i]) < 1e-9)
            return true;
    return false;
}

static bool has_word(const char *words, const char *word)
{
    char padded[TEXT_MAX + 4];
    snprintf(padded, sizeof(padded), " %s ", word);
    return words && *word && !strchr(word, ' ') && strstr(words, padded);
}

static bool format_fault(struct sim *s, const char *argument)
{
    if (fault_for_command(s, "ascii-only", "format"))
        return strcmp(argument, "ascii_dec") != 0;
    if (fault_for_command(s, "bin-hex", "format"))
        return !strcmp(argument, "bin_hexa");
    return !strcmp(argument, "bin_hex");
}

static bool accepts(struct sim *s, const struct command *c, const char *argument)
{
    double value;
    switch (c->takes) {
    case TAKES_NOTHING:
        return !*argument;
    case TAKES_ANYTHING:
        return *argument != 0;
    case TAKES_RATE:
        return is_rate(argument);
    case TAKES_PWR:
        return !strncmp(argument, "on", 2) || !strncmp(argument, "off", 3) ||
               !strncmp(argument, "auto", 4) || !strncmp(argument, "get", 3);
    case TAKES_WORD:
        return has_word(c->words, argument) &&
               !(!strcmp(c->name, "format") && format_fault(s, argument));
    case TAKES_VOLT:
        if (!strcmp(argument, "get"))
            return true;
        /* fall through */
    case TAKES_NUMBER:
        value = suffixed(argument);
        return has_word(c->words, argument) || (value >= c->low - 1e-9 && value <= c->high + 1e-9);
    }
    return false;
}

/* ---- answers ---- */

static struct reply *queue_reply(struct sim *s, int delay_ms, const char *text)
{
    struct meter *m = &s->meter;
    if (m->reply_count == REPLIES_MAX)
        return NULL;
    uint64_t at = now_ns() + (uint64_t)delay_ms * 1000000;
    if (m->reply_count && m->replies[m->reply_count - 1].at_ns > at)
        at = m->replies[m->reply_count - 1].at_ns;
    struct reply *r = &m->replies[m->reply_count++];
    *r = (struct reply){.at_ns = at};
    const char *prompt = m->personality == V3PWR ? "stlp > " : "PowerShield > ";
    snprintf(r->text, sizeof(r->text), "%s%.200s\r\n%s", m->quiet ? "" : prompt, text,
             m->personality == V3PWR ? "\r\n" : "");
    return r;
}

void meter_say_slowly(struct sim *s, const char *text)
{
    static const int piece_bytes = 7, pause_ms = 30;
    struct meter *m = &s->meter;
    uint64_t at = now_ns();
    for (size_t len; *text && m->reply_count < REPLIES_MAX; text += len) {
        len = strnlen(text, m->reply_count + 1 < REPLIES_MAX ? piece_bytes : TEXT_MAX - 1);
        struct reply *r = &m->replies[m->reply_count++];
        *r = (struct reply){.at_ns = at += (uint64_t)pause_ms * 1000000};
        memcpy(r->text, text, len);
    }
}

static void answer(struct sim *s, int delay_ms, const char *text)
{
    struct meter *m = &s->meter;
    if (!fault_for_command(s, "reply-shift", "reply")) {
        queue_reply(s, delay_ms, text);
        return;
    }
    char late[TEXT_MAX];
    snprintf(late, sizeof(late), "%s", m->shifted);
    snprintf(m->shifted, sizeof(m->shifted), "%s", text);
    if (*late)
        queue_reply(s, delay_ms, late);
}

static void refuse(struct sim *s, const char *name, const char *detail)
{
    char text[TEXT_MAX];
    const char *word = fault_for_command(s, "err-word", name) ? "err" : "error";
    snprintf(text, sizeof(text), "%s %.60s\r\nError detail: %.100s", word, name, detail);
    answer(s, 15, text);
}

static void start(struct sim *s)
{
    if (s->meter.rate_hz <= 0 || *s->meter.error) {
        refuse(s, "start", *s->meter.error ? s->meter.error : "no frequency");
        return;
    }
    struct reply *r = queue_reply(s, 27, "ack start");
    if (r)
        r->begins_stream = true;
}

static void run_command(struct sim *s, const struct command *c, const char *argument)
{
    struct meter *m = &s->meter;
    char text[TEXT_MAX];
    snprintf(text, sizeof(text), "ack %s%s%s", c->name, *argument ? " " : "", argument);
    if (fault_for_command(s, "ack-never", c->name))
        return;
    struct fault *refused = fault_for_command(s, "refuse", c->name);
    if (refused && *refused->when)
        refuse(s, c->name, "refused by a fault");
    else if (m->mode == METER_STANDALONE && !c->free)
        refuse(s, c->name, "Board is not controlled by host");
    else if (!accepts(s, c, argument))
        refuse(s, c->name, "wrong parameter");
    else if (!strcmp(c->name, "start"))
        start(s);
    else {
        if (c->done)
            c->done(s, argument, text);
        if (m->mode != METER_RUNNING && m->fd >= 0)
            answer(s, strstr(argument, "get") ? 15 : c->delay_ms, text);
    }
}

static void take_command(struct sim *s, char *line)
{
    struct meter *m = &s->meter;
    char *argument = line + strcspn(line, " ");
    if (*argument)
        *argument++ = 0;
    if (!strncmp(argument, "vout ", 5) && m->personality == V3PWR)
        argument += 5;
    struct fault *debris = fault_for_command(s, "residual-prompt", "");
    if (debris) {
        debris->name[0] = 0;
        answer(s, 5, "Command unknown");
        return;
    }
    if (!strcmp(line, "stop")) {
        if (m->mode == METER_ARMED) /* it is disarmed */
            m->mode = METER_HOST;
        stream_advance(s, now_ns());
        stream_end(s, NULL);
        return;
    }
    for (size_t i = 0; i < COUNT(commands); i++)
        if (!strcmp(commands[i].name, line) && commands[i].who & (int)m->personality) {
            run_command(s, &commands[i], argument);
            return;
        }
    answer(s, 10, "error: Command unknown");
}

void meter_input(struct sim *s)
{
    struct meter *m = &s->meter;
    char bytes[1024];
    ssize_t n = read(m->fd, bytes, sizeof(bytes));
    if (now_ns() < m->deaf_until_ns)
        return;
    for (ssize_t i = 0; i < n && m->fd >= 0; i++) {
        if (bytes[i] == '\n' || bytes[i] == '\r') {
            m->line[m->line_len] = 0;
            m->line_len = 0;
            if (*m->line)
                take_command(s, m->line);
        } else if (m->line_len < sizeof(m->line) - 1)
            m->line[m->line_len++] = bytes[i];
    }
}

/* Without a board an edge comes by itself. */
static void arm(struct sim *s, uint64_t now)
{
    static const uint64_t edge_after_ns = 500000000;
    struct meter *m = &s->meter;
    m->mode = METER_ARMED;
    m->edge_at_ns = s->board.present ? 0 : now + edge_after_ns;
    if (fault_for_command(s, "no-edge", "start"))
        m->edge_at_ns = UINT64_MAX;
}

void meter_edge(struct sim *s, uint64_t now)
{
    if (s->meter.mode == METER_ARMED && !s->meter.edge_at_ns)
        s->meter.edge_at_ns = now;
}

static void begin_after_edge(struct sim *s, uint64_t now)
{
    const struct meter *m = &s->meter;
    uint64_t delay_ns = (uint64_t)(m->trigger_delay_s * 1e9);
    if (m->mode == METER_ARMED && m->edge_at_ns && now >= m->edge_at_ns &&
        now - m->edge_at_ns >= delay_ns)
        stream_begin(s, now);
}

/* Half a block of an old acquisition, misaligned on purpose. */
static void put_stale(struct sim *s)
{
    uint8_t old[901];
    for (size_t i = 0; i < sizeof(old); i++)
        old[i] = i % 2 ? 0x41 : (uint8_t)(i * 7);
    stream_put(s, old, sizeof(old));
}

static void send_replies(struct sim *s, uint64_t now)
{
    struct meter *m = &s->meter;
    size_t sent = 0;
    while (sent < m->reply_count && m->replies[sent].at_ns <= now) {
        struct reply r = m->replies[sent++];
        stream_put(s, r.text, strlen(r.text));
        if (!r.begins_stream)
            continue;
        if (m->power_auto)
            board_power(s, true);
        if (fault_for_command(s, "stale", "start"))
            put_stale(s);
        if (m->hardware_trigger)
            arm(s, now);
        else
            stream_begin(s, now);
    }
    m->reply_count -= sent;
    memmove(m->replies, m->replies + sent, m->reply_count * sizeof(m->replies[0]));
}

/* Nothing is heard until the instrument has started. */
static void power_up(struct sim *s)
{
    const struct fault *slow = fault_for_command(s, "slow-powerup", "");
    double deaf_s = slow ? slow->has_value ? slow->value : 0.6 : 0;
    s->meter.deaf_until_ns = now_ns() + (uint64_t)(deaf_s * 1e9);
}

void meter_tick(struct sim *s, uint64_t now)
{
    struct meter *m = &s->meter;
    if (m->replug_at_ns && now >= m->replug_at_ns) {
        m->replug_at_ns = 0;
        pty_open(&m->fd, &m->slave, m->link);
        power_up(s);
    }
    if (m->fd < 0)
        return;
    send_replies(s, now);
    begin_after_edge(s, now);
    stream_advance(s, now);
    stream_flush(s);
}

void meter_unplug(struct sim *s, double for_s)
{
    struct meter *m = &s->meter;
    unlink(m->link);
    close(m->slave);
    close(m->fd);
    m->fd = m->slave = -1;
    m->mode = m->personality == V3PWR ? METER_HOST : METER_STANDALONE;
    m->tx_len = m->reply_count = 0;
    m->quiet = false;
    m->replug_at_ns = for_s > 0 ? now_ns() + (uint64_t)(for_s * 1e9) : 0;
    truth_write(s);
}

bool meter_open(struct sim *s)
{
    struct meter *m = &s->meter;
    snprintf(m->link, sizeof(m->link), "%.490s/meter", s->dir);
    m->mode = m->personality == V3PWR ? METER_HOST : METER_STANDALONE;
    m->volts_v = m->personality == LPM01A_100 ? 3.0 : 3.3;
    m->rate_hz = 100000;
    m->acqtime_s = 10;
    m->power_auto = m->personality != V3PWR;
    m->ascii = true;
    power_up(s);
    return pty_open(&m->fd, &m->slave, m->link);
}

void meter_close(struct sim *s)
{
    unlink(s->meter.link);
}
