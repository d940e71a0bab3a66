"""Makes schedule_vectors.h: the dates that Prefect 3.9.1's own schedules give, through its vendored
croniter (6.0.0), python-dateutil 2.9.0.post0 and pendulum 3.3.0, on Python 3.11.

    python schedule_vectors.py > schedule_vectors.h     (in a virtual environment with prefect==3.9.1)

Takes two minutes.  Each row: kind, zone, rule, start, then the first dates, in seconds after the start.  No row lies
where we differ on purpose: see the heads of cron.h and rrule.h.
"""
import asyncio
import datetime
import sys
from importlib.metadata import version
from zoneinfo import ZoneInfo

from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule

PINNED = {"prefect": "3.9.1", "python-dateutil": "2.9.0.post0", "pendulum": "3.3.0"}
UTC = datetime.timezone.utc
COUNT = 6

# zone: the two days in 2024 on which its clocks change (or any two, where they don't)
ZONES = {
    "UTC": ("2024-03-10", "2024-11-03"),
    "America/New_York": ("2024-03-10", "2024-11-03"),
    "America/Sao_Paulo": ("2018-11-04", "2018-02-18"),
    "America/St_Johns": ("2024-03-10", "2024-11-03"),
    "Europe/Berlin": ("2024-03-31", "2024-10-27"),
    "Europe/London": ("2024-03-31", "2024-10-27"),
    "Europe/Dublin": ("2024-03-31", "2024-10-27"),
    "Asia/Kathmandu": ("2024-03-31", "2024-10-27"),
    "Australia/Lord_Howe": ("2024-10-06", "2024-04-07"),
    "Pacific/Auckland": ("2024-09-29", "2024-04-07"),
}
CRONS = [
    "* * * * *", "*/15 * * * *", "30 * * * *", "0 * * * *", "30 0 * * *", "30 1 * * *",
    "15,45 2 * * *", "30 2 * * *", "10 3 * * *", "0 9 * * mon-fri", "0 12 L * *", "0 0 * * fri#2",
    "0 6 * * L0", "0 0 1,15 * 3", "5 4 * jan-mar sat,sun", "*/20 1-3 * * * */30", "@weekly",
    "0 2 * * 6-1", "59 23 28-31 * ?", "0 0 29 2 *",
]
INTERVALS = [  # seconds, anchor
    (60, "2020-01-01T00:00:30Z"), (3600, "2020-01-01T00:00:00Z"), (5400, "2024-01-01T00:15:00Z"),
    (86400, "2018-01-01T06:30:00Z"), (86400, "2017-01-01T01:30:00Z"), (86400, "2030-01-01T14:00:00Z"),
    (172800, "2017-06-01T07:30:00Z"), (604800, "2016-05-01T00:30:00Z"), (100000, "2020-02-02T02:02:02Z"),
    (45.5, "2024-01-01T00:00:00Z"),
]
RRULES = [
    "FREQ=HOURLY;BYMINUTE=30", "FREQ=DAILY", "FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=0,30",
    "FREQ=DAILY;INTERVAL=3;BYHOUR=2;BYMINUTE=15;BYSECOND=20", "FREQ=WEEKLY;BYDAY=MO,SU;BYHOUR=2",
    "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=TU,SU", "FREQ=MONTHLY;BYDAY=1SU,-1SU;BYHOUR=2;BYMINUTE=30",
    "FREQ=MONTHLY;BYMONTHDAY=1,15,-1", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1",
    "FREQ=YEARLY;BYMONTH=3,10,11;BYDAY=2SU", "FREQ=YEARLY;BYWEEKNO=1,20,-1;BYDAY=MO",
    "FREQ=YEARLY;BYYEARDAY=1,100,-1", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
    "FREQ=MINUTELY;INTERVAL=7;BYHOUR=0,1,2,3\nDTSTART:20180101T000000",
    "DTSTART:20180131T023000\nRRULE:FREQ=MONTHLY", "DTSTART:20240310T013000\nRRULE:FREQ=HOURLY;COUNT=4",
    "DTSTART:20180101T093000\nRRULE:FREQ=DAILY;COUNT=2300", "DTSTART:20180101T013000\nRRULE:FREQ=DAILY;UNTIL=20241104T013000",
    "DTSTART:20180101T013000\nRRULE:FREQ=DAILY\nEXDATE:20241103T013000,20240311T013000",
    "DTSTART:20180101T013000\nRRULE:FREQ=WEEKLY\nRDATE:20241103T020000,20240331T023000\nEXRULE:FREQ=MONTHLY;BYDAY=1MO",
    "DTSTART:20180101T020000\nRRULE:FREQ=DAILY\nRRULE:FREQ=DAILY;BYHOUR=3", "FREQ=YEARLY;BYDAY=20MO,-1FR",
    "FREQ=DAILY;BYSETPOS=2,-1;BYHOUR=1,2,3,4", "FREQ=HOURLY;INTERVAL=5;BYDAY=SA,SU",
]


def starts(zone):
    """Around both changes: the day before, minutes before, inside, minutes after."""
    for day in ZONES[zone]:
        midnight = datetime.datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
        for seconds in (-50000, 3600 + 1500, 7200 + 600):
            yield midnight.astimezone(UTC) + datetime.timedelta(seconds=seconds)


def exact(seconds, after):
    """Inside a fold Python 3.11 compares wall clocks and loses dates of short intervals."""
    steps = [b - a for a, b in zip(after, after[1:])]
    return seconds >= 86400 or (0 <= after[0] < seconds and all(s == seconds for s in steps))


def row(kind, zone, rule, schedule, start):
    dates = asyncio.run(schedule.get_dates(COUNT, start, start + datetime.timedelta(days=1500)))
    after = [(d.astimezone(UTC) - start).total_seconds() for d in dates]
    if kind == "I" and not exact(float(rule.split()[0]), after):
        return
    text = rule.replace("\n", "\\\\n")
    numbers = ", ".join(f"{a:.6g}" if a % 1 else f"{a:.0f}" for a in after)
    print(f'{{\'{kind}\', "{zone}", "{text}", {start.timestamp():.0f}, {len(after)}, {{{numbers or 0}}}}},')


def main():
    for package, expected in PINNED.items():
        if version(package) != expected or sys.version_info[:2] != (3, 11):
            sys.exit(f"{package} is {version(package)}, expected {expected} on Python 3.11")
    print("/* Made by schedule_vectors.py; not to be edited. */\n/* clang-format off */")
    for zone in ZONES:
        for start in starts(zone):
            for cron in CRONS:
                row("C", zone, cron, CronSchedule(cron=cron, timezone=zone), start)
            for seconds, anchor in INTERVALS:
                schedule = IntervalSchedule(interval=seconds, anchor_date=anchor, timezone=zone)
                row("I", zone, f"{seconds} {anchor}", schedule, start)
            # dateutil takes Dublin's winter, which is summer time with a negative offset in the
            # zone's file, for an hour it is not
            for rrule in RRULES if zone != "Europe/Dublin" else []:
                row("R", zone, rrule, RRuleSchedule(rrule=rrule, timezone=zone), start)
    print("/* clang-format on */")


main()
