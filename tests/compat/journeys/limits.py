"""Concurrency: global limits, tag limits of tasks, rate limits; nobody exceeds them and slots come back."""
import threading

from prefect import flow, task
from prefect.concurrency.sync import concurrency, rate_limit
from prefect.runtime import flow_run as here
from tool import *

lock, inside, most = threading.Lock(), {}, {}


def enter(kind, step):
    with lock:
        inside[kind] = inside.get(kind, 0) + step
        most[kind] = max(most.get(kind, 0), inside[kind])


@task
def measure(n):
    with concurrency(unique("meter"), occupy=1):
        enter("meter", 1)
        time.sleep(0.3)
        enter("meter", -1)


@task(tags=[unique("board")])
def flash(n):
    enter("board", 1)
    time.sleep(0.3)
    enter("board", -1)


@task
def call(n):
    rate_limit(unique("calls"))
    return time.monotonic()


@flow
def bench():
    measured = measure.map(range(6))
    flashed = flash.map(range(3))
    measured.wait()
    flashed.wait()
    times = sorted(call.map(range(5)).result())
    return str(here.id), [b - a for a, b in zip(times, times[1:])]


if __name__ == "__main__":
    cli("global-concurrency-limit", "create", unique("meter"), "--limit", "2")
    cli("global-concurrency-limit", "create", unique("calls"), "--limit", "1", "--slot-decay-per-second", "2")
    cli("concurrency-limit", "create", unique("board"), "1")
    has(cli("global-concurrency-limit", "ls"), unique("meter"))
    has(cli("concurrency-limit", "ls"), unique("board"))
    run_id, gaps = bench()
    assert most["meter"] <= 2 and most["board"] == 1, most  # a slow machine need not come to two
    assert sum(gaps) >= 1.5, gaps
    assert all(row["state_type"] == "COMPLETED" for row in task_runs(run_id, 14))
    has(cli("concurrency-limit", "inspect", unique("board")), unique("board"))
    for name in (unique("meter"), "tag:" + unique("board")):
        until(lambda: api.get("/v2/concurrency_limits/" + name)["active_slots"], lambda slots: slots == 0)
    with concurrency(unique("meter"), occupy=2):
        assert api.get("/v2/concurrency_limits/" + unique("meter"))["active_slots"] == 2
        try:
            with concurrency(unique("meter"), occupy=1, timeout_seconds=1):
                raise AssertionError("a third slot")
        except TimeoutError:
            pass
    cli("global-concurrency-limit", "disable", unique("meter"))
    with concurrency(unique("meter"), occupy=2):
        pass
    try:
        with concurrency(unique("nothing"), strict=True):
            raise AssertionError("strict")
    except Exception as error:
        has(type(error).__name__, "ConcurrencySlotAcquisitionError")
    with concurrency(unique("nothing")):
        pass
    cli("global-concurrency-limit", "update", unique("calls"), "--limit", "5")
    has(cli("global-concurrency-limit", "inspect", unique("calls")), "5")
    cli("concurrency-limit", "delete", unique("board"))
    cli("global-concurrency-limit", "delete", unique("calls"))
