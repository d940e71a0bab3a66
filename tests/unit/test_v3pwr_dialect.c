/* How commands are written and answers read, in both dialects. */
#include "worker/lab/v3pwr_dialect.h"

#include <check.h>
#include <string.h>

static const struct {
    const char *line, *command;
    enum answer answer;
} answers[] = {
    /* clang-format off */
    {"ack freq 100k",                    "freq 100k",   ANSWER_ACK},
    {"PowerShield > ack freq 100k",      "freq 100k",   ANSWER_ACK},
    {"stlp>ack freq 100k",               "freq 100k",   ANSWER_ACK},
    {"> > stlp > ack freq 100k",         "freq 100k",   ANSWER_ACK},
    {"ack freq > 100k",                  "freq 100k",   ANSWER_ACK},
    {"stlp > stlp > ack freq",           "freq 100k",   ANSWER_ACK},
    {"ack format bin_hexa",              "freq 100k",   ANSWER_OTHER},
    {"ack STLINK-V3PWR 003A",            "powershield", ANSWER_ACK},
    {"ack powershield 1-2-3",            "powershield", ANSWER_ACK},
    {"ack STLINK-V3PWR 003A",            "version",     ANSWER_OTHER},
    {"ack version: 1.0.0",               "version",     ANSWER_ACK},
    {"ack pwrend on",                    "pwr on",      ANSWER_OTHER},
    {"ack volt get 3300-03",             "volt get",    ANSWER_ACK},
    {"error freq",                       "freq 3",      ANSWER_REFUSED},
    {"err freq",                         "freq 3",      ANSWER_REFUSED},
    {"error htc",                        "freq 3",      ANSWER_OTHER},
    {"Command unknown",                  "freq 3",      ANSWER_REFUSED},
    {"error: Overcurrent, start again",  "status",      ANSWER_REFUSED},
    {"Error detail: wrong parameter",    "freq 3",      ANSWER_NONE},
    {"calibration request handled",      "freq 3",      ANSWER_NONE},
    {"freq 3",                           "freq 3",      ANSWER_NONE},
    {"ack freq 50k",                     "freq 100k",   ANSWER_CONTRADICTS},
    {"ack freq 1+5",                     "freq 100k",   ANSWER_ACK},
    {"ack freq 100000 Hz",               "freq 100k",   ANSWER_ACK},
    {"ack freq 200",                     "freq 500",    ANSWER_CONTRADICTS},
    {"ack volt 1800m",                   "volt 3300m",  ANSWER_CONTRADICTS},
    {"ack volt vout 3300",               "volt 3300m",  ANSWER_ACK},
    {"ack volt get 3300-03",             "volt 3300-3", ANSWER_ACK},
    {"ack output energy",                "output current", ANSWER_CONTRADICTS},
    {"ack format ascii_dec",             "format bin_hexa", ANSWER_CONTRADICTS},
    {"ack format bin_hex",               "format bin_hexa", ANSWER_ACK},
    {"ack trigsrc sw",                   "trigsrc d7",  ANSWER_CONTRADICTS},
    {"ack pwr on no",                    "pwr on",      ANSWER_ACK},
    {"ack pwr off",                      "pwr on",      ANSWER_CONTRADICTS},
    {"ack acqtime 0",                    "acqtime inf", ANSWER_ACK},
    /* clang-format on */
};

START_TEST(answers_are_matched_by_name)
{
    char line[100];
    strcpy(line, answers[_i].line);
    ck_assert_msg(answer_classify(answer_strip(line), answers[_i].command) == answers[_i].answer,
                  "%s to %s", answers[_i].line, answers[_i].command);
}
END_TEST

START_TEST(volts_come_in_several_spellings)
{
    static const struct {
        const char *line;
        double volts;
    } rows[] = {{"ack volt get 3300-03", 3.3}, {"ack volt get 3300m", 3.3},
                {"ack volt get 1800", 1.8},    {"ack volt get 3.3", 3.3},
                {"ack volt get 3300mV", 3.3},  {"ack volt get 3.3V", 3.3}};
    static const char *const wrong[] = {"ack volt get", "ack volt get x", "ack volt get 3300q",
                                        "ack volt get 99999999"};
    double volts = 0;
    for (size_t i = 0; i < COUNT(rows); i++) {
        ck_assert_msg(answer_volts(rows[i].line, &volts), "%s", rows[i].line);
        ck_assert_double_eq_tol(volts, rows[i].volts, 1e-9);
    }
    for (size_t i = 0; i < COUNT(wrong); i++)
        ck_assert_msg(!answer_volts(wrong[i], &volts), "%s", wrong[i]);
}
END_TEST

START_TEST(temperatures_come_in_several_spellings)
{
    static const struct {
        const char *line;
        double celsius;
    } rows[] = {{"ack temp 27", 27},
                {"ack temp degc -7", -7},
                {"temp 31 degC", 31},
                {"ack temp degf 86", 30},
                {"ack temp 0025-00", 25},
                {"Temperature: 22.5", 22.5},
                {"ack temp refresh pcb 40", 40}};
    static const char *const wrong[] = {
        "ack temp degc", "ack temp refresh pcb", "ack freq 27", "ack temp 3300", "a temp 27", ""};
    double celsius = 0;
    for (size_t i = 0; i < COUNT(rows); i++) {
        ck_assert_msg(answer_temperature(rows[i].line, &celsius), "%s", rows[i].line);
        ck_assert_double_eq_tol(celsius, rows[i].celsius, 1e-9);
    }
    for (size_t i = 0; i < COUNT(wrong); i++)
        ck_assert_msg(!answer_temperature(wrong[i], &celsius), "%s", wrong[i]);
}
END_TEST

START_TEST(rates_are_those_of_the_meter)
{
    double hz;
    ck_assert(meter_parse_rate("100k", &hz) && hz == 1e5);
    ck_assert(meter_parse_rate("20000", &hz) && hz == 2e4);
    ck_assert(meter_parse_rate("1", &hz) && hz == 1);
    ck_assert(!meter_parse_rate("3k", &hz) && !meter_parse_rate("", &hz) &&
              !meter_parse_rate("1M", &hz));
}
END_TEST

/* The whole set-up as each of the two is told. */
START_TEST(commands_are_spelled_for_the_device)
{
    struct meter_config config = {.volts_v = 1.8, .rate_hz = 100000, .hardware_trigger = true};
    static const struct {
        enum dialect dialect;
        const char *all;
    } rows[] = {
        {DIALECT_V3PWR,
         "powershield|version|power_monitor|status|htc|output current|trigsrc hw|trigdelay 0m|"
         "format bin_hexa|freq 100k|acqtime inf|temp degc|volt 1800m|volt get|"},
        {DIALECT_LPM01A,
         "powershield|version|status|htc|acqmode dyn|funcmode optim|output current|trigsrc d7|"
         "trigdelay 0m|format bin_hexa|freq 100k|acqtime inf|temp degc|volt 1800m|volt get|"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char all[1000] = "", text[COMMAND_MAX];
        for (size_t k = 0; k < script_setup.count; k++) {
            const struct command_row *row = &script_setup.rows[k];
            if (!(row->dialects & rows[i].dialect))
                continue;
            command_format(text, row, 0, &config, rows[i].dialect);
            strcat(strcat(all, text), "|");
        }
        ck_assert_str_eq(all, rows[i].all);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("v3pwr_dialect");
    TCase *t = tcase_create("dialect");
    tcase_add_loop_test(t, answers_are_matched_by_name, 0, (int)COUNT(answers));
    tcase_add_test(t, volts_come_in_several_spellings);
    tcase_add_test(t, temperatures_come_in_several_spellings);
    tcase_add_test(t, rates_are_those_of_the_meter);
    tcase_add_test(t, commands_are_spelled_for_the_device);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
