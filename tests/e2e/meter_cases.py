"""Runs `power record` against strange_meter and scores what it says; `python3 meter_cases.py [FAULT...]` prints a table."""
import argparse
import collections
import json
import math
import multiprocessing
import os
import random
import re
import subprocess
import sys
import tempfile
import time

from strange_dialects import BINARY_ONLY, DIALECTS, FAULTS, TEXT_ONLY, Dialect
from strange_meter import Meter
from strange_stream import BLOCK

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORKER = os.path.join(ROOT, os.environ.get("SWITCHYARD_BUILD", "build/debug"), "switchyard-worker")
RATES = {100000: "100k", 50000: "50k", 20000: "20k", 10000: "10k", 5000: "5k", 2000: "2k", 1000: "1k"}
# Faults that a bench has again and again, in the warm-up too.
EACH_TIME = {"drop_byte", "count_999", "overcurrent", "error_text", "stops_early", "unplug_mid_sample", "stop_ignored",
             "buffer_99", "zero", "stuck", "no_end_mark", "summary_in_pieces", "half_block_at_end"}
TOLERANCE = 1e-9  # relative: sums of the same quantised samples
CLOSE = 1e-3
AT_ONCE = 8  # cases per core: they mostly wait

Case = collections.namedtuple("Case", "fault dialect rate_hz seconds kind at seed volts trigger extra", defaults=[()])
Outcome = collections.namedtuple("Outcome", "verdict why case status said figures took_s")


def case(fault="none", dialect=None, rate_hz=10000, seconds=0.3, kind="l4", at=1, seed=1, volts=3.3, trigger="sw"):
    if dialect and dialect.binary == "none":
        rate_hz = min(rate_hz, dialect.ascii_limit_hz)
    if fault != "none":
        seconds = max(seconds, 2.9 * BLOCK / rate_hz)
    if fault.startswith("skew"):
        seconds = max(seconds, 4)
    if fault.startswith("stamps_") and fault != "stamps_skewed":
        seconds = max(seconds, 8.2 * BLOCK / rate_hz)
    if fault == "twice_the_pace":
        seconds = max(seconds, 2)
    if fault == "stamps_skewed_little":
        seconds = max(seconds, 0.9)
    if fault == "drop_digit_of_many":
        seconds = 20000 / rate_hz
    if fault == "double_block_and_stamp":
        seconds = max(seconds, 4.2 * BLOCK / rate_hz)
    return Case(fault, dialect or Dialect(), rate_hz, seconds, kind, at, seed, volts, trigger)


def fits(fault, dialect):
    text = dialect.binary == "none"
    if fault == "no_end_mark" and text and dialect.stop_ack == "ack":  # which is one
        return False
    return not (text and fault in BINARY_ONLY) and (text or fault not in TEXT_ONLY)


def figures_wrong(c, meter, got, tolerance=TOLERANCE):
    """What is wrong with the figures, or None."""
    wanted = round(c.rate_hz * c.seconds)
    if sorted(got) != sorted(["samples", "lost", "duration_s", "volts", "mean_a", "charge_c", "energy_j", "meter", "warnings"]):
        return f"keys {sorted(got)}"
    if got["samples"] != wanted or got["lost"] != 0:
        return f"{got['samples']} samples, {got['lost']} lost"
    true = meter.acquisitions[-1].true_a[:wanted]
    if len(true) < wanted:
        return f"only {len(true)} samples ever flowed"
    mean = math.fsum(true) / wanted
    pairs = {"mean_a": mean, "charge_c": mean * wanted / c.rate_hz, "energy_j": mean * wanted / c.rate_hz * c.volts,
             "duration_s": wanted / c.rate_hz, "volts": c.volts}
    for name, value in pairs.items():
        if not math.isclose(got[name], value, rel_tol=tolerance, abs_tol=1e-15):
            return f"{name} {got[name]!r}, true {value!r}"
    return None


def judge(c, meter, status, out, said):
    expected, _, pattern = FAULTS[c.fault].partition(":")
    if c.at == 0 and expected in ("refuse", "warn"):
        expected = "either"
        pattern += "|warm"
    if status not in (0, 3, 4):
        return "CRASH", f"exit {status}"
    if status == 0:
        got = json.loads(out)
        wrong = figures_wrong(c, meter, got, CLOSE if expected == "close" else TOLERANCE)
        if wrong:
            return ("WRONG", wrong) if not got["warnings"] else ("WRONG, warned", f"{wrong}; {got['warnings']}")
        if expected == "refuse":
            return "UNSEEN", f"exact figures, no refusal; {got['warnings']}"
        if expected == "close" and c.kind == "wide":  # its own noise hides it
            return "ok", "close"
        if expected in ("warn", "named", "close") and not re.search(pattern, " ".join(got["warnings"]), re.I):
            return "UNSEEN", f"no warning; {got['warnings']}"
        if expected == "exact" and got["warnings"] and c.fault not in ("first_bias",):
            return "NOISY", str(got["warnings"])
        return "ok", "exact"
    if out.strip():
        return "FIGURES", "figures and a refusal"
    if expected in ("exact", "warn") and not (expected == "warn" and re.search(pattern, said, re.I)):
        return "REFUSED", said.strip()
    if not re.search(pattern, said, re.I) or len(said.strip().splitlines()) != 1:
        return "UNNAMED", said.strip()
    return "ok", "refused"


def attempt(c):
    """One run of a case: its outcome, and how long the emulator was kept from its work."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sy-meter.") as directory:
        meter = Meter(c.dialect, c.fault, directory, c.seed, c.kind, c.at)
        meter.start()
        command = [WORKER, "power", "record", "--port", meter.path, "--volts", str(c.volts), "--rate",
                   RATES.get(c.rate_hz, str(c.rate_hz)), "--seconds", str(c.seconds), "--trigger", c.trigger, "--json", *c.extra]
        try:
            done = subprocess.run(command, capture_output=True, timeout=60 + 3 * c.seconds, check=False)
            status, out, said = done.returncode, done.stdout.decode(), done.stderr.decode()
        except subprocess.TimeoutExpired as late:
            status, out, said = -1, "", f"hangs; {late.stderr}"
        meter.end()
    verdict, why = ("EMULATOR", repr(meter.problem)) if meter.problem else judge(c, meter, status, out, said)
    return Outcome(verdict, why, c, status, said, out, time.monotonic() - began), meter.late_s


def run(c):
    """Again when it failed while this machine was too busy for an emulator that keeps time."""
    for _ in range(4):
        got, late_s = attempt(c)
        if got.verdict == "ok" or late_s < 0.2:
            return got
    return got._replace(verdict="busy") if got.verdict in ("NOISY", "REFUSED", "UNNAMED", "UNSEEN") else got


def run_all(cases, at_once=None):
    """Outcomes as they come; each case in a process of its own (the emulator is Python: one interpreter lock each)."""
    with multiprocessing.Pool(at_once or AT_ONCE * os.cpu_count(), maxtasksperchild=50) as pool:
        yield from pool.imap_unordered(run, cases)


def each_value_alone():
    """The plain dialect, and each other one that differs from it in one point."""
    yield Dialect()
    for name, values in DIALECTS.items():
        for value in values[1:]:
            yield Dialect(**{name: value})


def drawn(count, seed, **fixed):
    rng = random.Random(seed)
    for _ in range(count):
        yield Dialect.drawn(rng, **fixed)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("faults", nargs="*")
    parser.add_argument("--dialects", type=int, default=0, help="as many drawn at random; 0: the plain one")
    parser.add_argument("--alone", action="store_true", help="each dialect value alone")
    parser.add_argument("--text", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, default=10000)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--kind", default="l4")
    parser.add_argument("--at", default="1")
    parser.add_argument("--jobs", type=int, default=0)
    o = parser.parse_args()
    fixed = {"binary": "none"} if o.text else {}
    dialects = list(each_value_alone()) if o.alone else list(drawn(o.dialects, o.seed, **fixed)) or [Dialect(**fixed)]
    at = None if o.at == "all" else int(o.at)
    cases = [case(f, d, o.rate, o.seconds, o.kind, at, o.seed) for f in o.faults or FAULTS for d in dialects if fits(f, d)]
    table, bad = collections.defaultdict(collections.Counter), 0
    for got in run_all(cases, o.jobs):
        table[got.case.fault][got.verdict] += 1
        if got.verdict not in ("ok", "busy"):
            bad += 1
            print(f"{got.verdict:8} {got.case.fault}: {got.why[:300]}\n         [{got.case.dialect}] {got.took_s:.1f} s", flush=True)
    for fault, verdicts in table.items():
        print(f"{fault:24} {dict(verdicts)}")
    print(f"{len(cases)} cases, {bad} bad")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
