/* Days and wall-clock times of the proleptic Gregorian calendar, without time zones.
 *
 * Units: days and seconds since 1970-01-01; months 1..12; weekdays 0 (Sunday) .. 6.
 * Thread: any. */
#pragma once
#include "shared/base/base.h"

enum { DAY_S = 86400, HOUR_S = 3600, MINUTE_S = 60 };
/* The calendar, weekdays included, repeats after 400 years. */
#define CIVIL_CYCLE_S (INT64_C(146097) * DAY_S)

struct civil {
    int year, month, day;
};

int64_t civil_days(int year, int month, int day);
struct civil civil_date(int64_t days);
int civil_weekday(int64_t days);
bool civil_leap(int year);
int civil_month_days(int year, int month);
/* Rounds down, also below zero. */
int64_t floor_div(int64_t a, int64_t b);
