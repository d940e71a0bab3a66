/* The settings that Prefect's users know: what is read, what is refused, how they are shown. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/settings.h"
#include "shared/json/doc.h"

static void clear(void)
{
    static const char *const names[] = {
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED",
        "PREFECT_API_SERVICES_SCHEDULER_ENABLED",
        "PREFECT_SERVER_API_DEFAULT_LIMIT",
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED",
        "PREFECT_SERVER_API_AUTH_STRING",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED",
        "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD",
    };
    for (size_t i = 0; i < COUNT(names); i++)
        unsetenv(names[i]);
}

static void read_good(struct settings *s)
{
    struct err e = {0};
    ck_assert_msg(settings_read(s, &e) == ERR_OK, "%s", e.detail);
}

START_TEST(defaults_are_those_of_prefect)
{
    struct settings s;

    clear();
    read_good(&s);
    ck_assert(settings_bool(&s, SETTING_SERVER_SERVICES_SCHEDULER_ENABLED));
    ck_assert(!settings_bool(&s, SETTING_SERVER_API_CSRF_PROTECTION_ENABLED));
    ck_assert_int_eq(settings_int(&s, SETTING_SERVER_API_DEFAULT_LIMIT), 200);
    ck_assert_int_eq(settings_us(&s, SETTING_SERVER_EVENTS_RETENTION_PERIOD),
                     INT64_C(7) * 86400 * 1000000);
    ck_assert_int_eq(settings_us(&s, SETTING_SERVER_SERVICES_FOREMAN_LOOP_SECONDS), 15000000);
    ck_assert_ptr_null(settings_text(&s, SETTING_SERVER_API_AUTH_STRING));
    ck_assert(settings_has(&s, SETTING_SERVER_SERVICES_DB_VACUUM_ENABLED, "events"));
    ck_assert(!settings_has(&s, SETTING_SERVER_SERVICES_DB_VACUUM_ENABLED, "flow_runs"));
}
END_TEST

START_TEST(the_environment_wins_and_the_new_name_before_the_old)
{
    struct settings s;

    clear();
    setenv("PREFECT_API_SERVICES_SCHEDULER_ENABLED", "off", 1);
    setenv("PREFECT_SERVER_CSRF_PROTECTION_ENABLED", "TRUE", 1);
    setenv("PREFECT_SERVER_API_DEFAULT_LIMIT", "", 1);
    setenv("PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED", "events,flow_runs", 1);
    read_good(&s);
    ck_assert(!settings_bool(&s, SETTING_SERVER_SERVICES_SCHEDULER_ENABLED));
    ck_assert(settings_bool(&s, SETTING_SERVER_API_CSRF_PROTECTION_ENABLED));
    ck_assert_int_eq(settings_int(&s, SETTING_SERVER_API_DEFAULT_LIMIT), 200);
    ck_assert(settings_has(&s, SETTING_SERVER_SERVICES_DB_VACUUM_ENABLED, "flow_runs"));
    setenv("PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED", "1", 1);
    read_good(&s);
    ck_assert(settings_bool(&s, SETTING_SERVER_SERVICES_SCHEDULER_ENABLED));
}
END_TEST

static const struct {
    const char *text;
    int64_t us;
} durations[] = {
    {"1:00:00", 3600000000}, {"90", 90000000},        {"1.5", 1500000},
    {"PT1H", 3600000000},    {"P1DT1S", 86401000000}, {"00:01:00", 60000000},
};

START_TEST(durations_are_read_as_prefect_reads_them)
{
    struct settings s;

    clear();
    setenv("PREFECT_SERVER_EVENTS_RETENTION_PERIOD", durations[_i].text, 1);
    read_good(&s);
    ck_assert_int_eq(settings_us(&s, SETTING_SERVER_EVENTS_RETENTION_PERIOD), durations[_i].us);
}
END_TEST

static const struct {
    const char *name, *text, *says;
} bad[] = {
    {"PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED", "maybe",
     "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED: expected true or false, got \"maybe\""},
    {"PREFECT_API_SERVICES_SCHEDULER_ENABLED", "2", "PREFECT_API_SERVICES_SCHEDULER_ENABLED"},
    {"PREFECT_SERVER_API_DEFAULT_LIMIT", "0", "a whole number from 1 to"},
    {"PREFECT_SERVER_API_DEFAULT_LIMIT", "1e3", "got \"1e3\""},
    {"PREFECT_SERVER_EVENTS_RETENTION_PERIOD", "soon", "seconds or a duration such as PT5M"},
    {"PREFECT_SERVER_EVENTS_RETENTION_PERIOD", "-1", "from 0"},
    {"PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED", "events,toys", "events, flow_runs, orphans"},
    {"PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS", "0", "above 0"},
    {"PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD", "60", "from 3600"},
};

START_TEST(a_bad_value_is_one_sentence)
{
    struct settings s;
    struct err e = {0};

    clear();
    setenv(bad[_i].name, bad[_i].text, 1);
    ck_assert(settings_read(&s, &e) == ERR_INVALID);
    ck_assert_msg(strstr(e.detail, bad[_i].says) != NULL, "%s", e.detail);
}
END_TEST

static struct val member(struct val v, const char *path)
{
    char key[64];

    for (const char *at = path; *at; at += *at == '.') {
        size_t len = strcspn(at, ".");
        memcpy(key, at, len);
        key[len] = 0;
        v = val_get(v, key);
        at += len;
    }
    return v;
}

static const struct {
    const char *path, *shown;
} shown[] = {
    {"server.api.auth_string", "\"**********\""},
    {"server.database.connection_url", "null"},
    {"server.api.default_limit", "200"},
    {"server.events.retention_period", "\"P1Y1DT1M1.5S\""},
    {"server.events.proactive_granularity", "\"PT5S\""},
    {"server.services.late_runs.loop_seconds", "5.0"},
    {"server.services.db_vacuum.enabled", "[\"events\"]"},
    {"server.tasks.scheduling.pending_task_timeout", "\"PT0S\""},
    {"server.database.sqlalchemy.connect_args.tls.check_hostname", "true"},
    {"silence_api_url_misconfiguration", "false"},
};

START_TEST(settings_are_shown_nested_with_secrets_masked)
{
    struct arena a = {0};
    struct buf b = {.max_bytes = 1 << 20};
    struct settings s;
    struct doc doc;
    struct doc_error error;

    clear();
    setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:very-secret", 1);
    setenv("PREFECT_SERVER_EVENTS_RETENTION_PERIOD", "31622461.5", 1);
    read_good(&s);
    settings_write(&b, &s);
    ck_assert(doc_parse(&a, b.bytes, b.len, &doc, &error));
    ck_assert_ptr_null(memmem(b.bytes, b.len, "very-secret", 11));
    for (size_t i = 0; i < COUNT(shown); i++) {
        struct raw raw = val_raw(member(doc_root(&doc), shown[i].path));
        ck_assert_msg(raw.len == strlen(shown[i].shown) &&
                          memcmp(raw.text, shown[i].shown, raw.len) == 0,
                      "%s: %.*s", shown[i].path, (int)raw.len, raw.text ? raw.text : "");
    }
    buf_free(&b);
    arena_reset(&a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("settings");
    TCase *t = tcase_create("settings");
    tcase_add_test(t, defaults_are_those_of_prefect);
    tcase_add_test(t, the_environment_wins_and_the_new_name_before_the_old);
    tcase_add_loop_test(t, durations_are_read_as_prefect_reads_them, 0, COUNT(durations));
    tcase_add_loop_test(t, a_bad_value_is_one_sentence, 0, COUNT(bad));
    tcase_add_test(t, settings_are_shown_nested_with_secrets_masked);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
