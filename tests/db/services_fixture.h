/* What tests of the server's services share: a database with a flow and four runs, one look of a
 * service. */
#pragma once
#include "server/agenda.h"
#include "server/model/zone.h"
#include "server/services/services.h"
#include "shared/base/clock.h"
#include "tests/db/fixture.h"

static struct fixture f;

#define OK(call) ck_assert_msg((call) == ERR_OK, "%s", f.work.err.detail)
#define S(n)     ((int64_t)(n)*1000000)
#define FLOW     "'00000000-0000-0000-0000-00000000000f'"
#define RUN(n)   "'01000000-0000-0000-0000-00000000000" #n "'"

static inline void setup(void)
{
    struct err e;

    fixture_setup(&f);
    fixture_runs(&f, 4);
    ck_assert_int_eq(settings_read(&f.server.config.settings, &e), ERR_OK);
    f.server.zones = zones_new(NULL);
    f.server.agenda = agenda_new(&f.server);
}

static inline void teardown(void)
{
    agenda_free(f.server.agenda);
    zones_free(f.server.zones);
    fixture_teardown(&f);
}

static inline void run_sql(const char *sql)
{
    OK(db_script(&f.work, sql));
}

static inline int64_t count(const char *sql)
{
    return fixture_count(&f, sql);
}

static inline struct pass pass_of(bool absent)
{
    f.work.now_us = clock_now_us();
    return (struct pass){&f.work, absent, INT64_MAX};
}

/* One look of a service; when it is to look again, relative to now. */
static inline int64_t look(enum err_code (*service)(struct pass *p))
{
    struct pass p = pass_of(false);

    OK(service(&p));
    return p.next_us == INT64_MAX ? INT64_MAX : p.next_us - p.w->now_us;
}
