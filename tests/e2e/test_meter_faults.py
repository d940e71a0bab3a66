#!/usr/bin/env python3
"""`power record` against strange_meter: each fault of the reference's list (7.3) in a dialect drawn for it (2.4).  A wrong figure
is the worst that can happen; `test_meter_faults.py all` (make test-all) draws 12 dialects for each fault."""
import collections
import random
import sys
import unittest

import meter_cases
from strange_dialects import FAULTS, Dialect

TRIGGERED = ["none", "none", "drop_byte", "stamp_missing", "count_999", "overcurrent", "unplug_mid_sample", "error_text",
             "summary_in_pieces", "ack_never_start", "ack_never_trigsrc", "stale_after_stop"]
PROGRESS = 100  # cases
ALONE = 6       # times


def is_host(got):
    """Not a defect yet: this machine was busy.  Only the host's clock tells that the meter's is wrong."""
    paced = got.verdict == "NOISY" and "than the meter's clock says" in got.why
    return got.verdict == "busy" or paced or got.verdict == "UNSEEN" and got.case.fault.startswith("skew")


def alone(case):
    for _ in range(ALONE):
        got = meter_cases.run(case)
        if not is_host(got):
            break
        case = case._replace(seconds=max(case.seconds, 8)) if case.fault.startswith("skew") else case
    return got


class Faults(unittest.TestCase):
    drawn = 1

    def check(self, cases):
        """Most of a case is waiting, so many run at once; what the emulator missed meanwhile is seen again alone."""
        verdicts, again = collections.Counter(), []
        for got in meter_cases.run_all(cases):
            if is_host(got):
                again.append(got.case)
            else:
                self.take(got, verdicts)
            if (verdicts.total() + len(again)) % PROGRESS == 0:
                print(f"{verdicts['ok']} ok, {len(again)} to be seen again, of {len(cases)}", flush=True)
        for case in again:
            self.take(alone(case), verdicts)
        print(f"{len(cases)} cases, {len(again)} of them seen again alone: {dict(verdicts)}", flush=True)
        self.assertEqual(verdicts.total(), len(cases))

    def take(self, got, verdicts):
        verdicts[got.verdict] += 1
        if got.verdict != "ok":
            print(f"{got.verdict} {got.why}\n    {got.case.fault} at={got.case.at} seed={got.case.seed} "
                  f"trigger={got.case.trigger}: {got.case.dialect}", flush=True)
        with self.subTest(fault=got.case.fault, dialect=str(got.case.dialect), seed=got.case.seed):
            self.assertEqual(got.verdict, "ok", got.why)

    def test_each_dialect_value(self):
        self.check([meter_cases.case("none", dialect) for dialect in meter_cases.each_value_alone()])

    def test_each_fault(self):
        """Once in the second acquisition, which is the one that counts, once in each."""
        rng, cases = random.Random(5), []
        for fault in FAULTS:
            for k in range(2 * self.drawn):
                text = {"binary": "none"} if k % 4 == 1 else {"binary": "bin_hexa"} if k % 4 == 3 else {}
                dialect = Dialect.drawn(rng, **text)
                if fault.startswith("skew") and dialect.pieces == "huge":
                    continue  # its pieces hide a clock for longer than this test waits
                at = None if k % 2 and fault in meter_cases.EACH_TIME else 1
                if meter_cases.fits(fault, dialect) and (k < 1 or self.drawn > 1 or text):
                    cases.append(meter_cases.case(fault, dialect, at=at, seed=k))
        self.check(cases)

    def test_hardware_trigger(self):
        """Sample 0 is the edge: of both instruments, with faults behind it."""
        rng = random.Random(8)
        cases = [meter_cases.case(fault, Dialect.drawn(rng, identity=identity), trigger="hw", at=1)
                 for identity in ("v3pwr", "lpm01a") for fault in TRIGGERED]
        self.check([c for c in cases if meter_cases.fits(c.fault, c.dialect)])


if __name__ == "__main__":
    if sys.argv[1:] == ["all"]:
        Faults.drawn = 12
        sys.argv.pop()
    unittest.main()
