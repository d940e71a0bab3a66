#!/usr/bin/env python3
"""`switchyard-worker power record` against meters of other dialects and with faults (tests/e2e/meter.py): the exact answer,
or a refusal that names the fault; a wrong figure never."""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import live  # noqa: E402
from meter import DONE, F4, SUMMARY, Meter, code, waves  # noqa: E402

AT_ONCE = 6
F3 = b"\xF0\xF3"


def at(block, change, acquisition=2):
    """Damage in one block of the recording; the first acquisition is the warm-up."""
    return lambda run, k, data: change(data) if run == acquisition and k == block else data


def cut(first, count=1):
    return lambda data: data[:first] + data[first + count:]


def put(where, what):
    return lambda data: data[:where] + what + data[where:]


def flip(where, mask):
    return lambda data: data[:where] + bytes([data[where] ^ mask]) + data[where + 1:]


def hang_up(where):
    return lambda data: data[:where] + b"HANGUP"


LPM = dict(model="lpm01a", version="1.0.7")
OLD = dict(model="lpm01a", version="1.0.0", wrong=("pwr", "currthres", "eventsrc", "range"), err="err", detail=False)
TEXT = dict(wrong=("bin_hexa", "bin_hex"))
FLAT = [[code(0.0201)] * 1000] * 4
EXACT = ""

# name, meter, arguments, EXACT or what the refusal says[, what a warning says]
ROWS = [
    ("v3pwr", {}, "", EXACT),
    ("100 kS/s", {}, "--rate 100k --seconds 0.5", EXACT),
    ("odd number of samples", {}, "--rate 10k --seconds 0.2345", EXACT),
    ("lpm01a 1.0.7", LPM, "", EXACT),
    ("lpm01a 1.0.0", OLD, "", EXACT, "refused `pwr on`: err pwr; it supplies the board while it measures"),
    ("lpm01a text", LPM | TEXT, "--rate 5k", EXACT),
    ("bin_hex only", dict(wrong=("bin_hexa",)), "", EXACT),
    ("text only", TEXT, "", EXACT),
    ("text, 100 kS/s", TEXT, "--rate 100k", "ASCII carries at most"),
    ("Timestamp", TEXT | dict(ascii_stamp="\r\nTimestamp:>{}s {}ms, buff {}%\r\n"), "", EXACT),
    ("TimeStamp <", TEXT | dict(ascii_stamp="TimeStamp:< {:03}s {:03}ms, buff {:02}%\r\n\0"), "", EXACT),
    ("five digits", TEXT | dict(digits=5), "", EXACT),
    ("three digits", TEXT | dict(digits=3), "", EXACT),
    ("no first stamp", dict(stamp0=False), "", EXACT),
    ("no first stamp, text", TEXT | dict(stamp0=False), "", EXACT),
    ("no first stamp, 500 S/s", dict(stamp0=False), "--rate 500 --seconds 1", EXACT),
    ("prompts", dict(prompt="stlp > ", mute=("power_monitor",)), "", EXACT),
    ("odd prompts", dict(prompt="stlp>", mute=("power_monitor",)), "", EXACT),
    ("no prompt", dict(prompt=""), "", EXACT),
    ("CR only", dict(end="\r"), "", EXACT),
    ("LF only", dict(end="\n"), "", EXACT),
    ("zeros", dict(junk=b"\0\0"), "", EXACT),
    ("echo", dict(echo=True), "", EXACT),
    ("echo, lpm01a", LPM | dict(echo=True), "", EXACT),
    ("service lines", dict(junk=b"calibration request handled\r\n"), "", EXACT),
    ("reply shift", dict(shift=True), "", EXACT),
    ("slow answers", dict(late_s=0.4), "", EXACT),
    ("very slow answers", dict(late_s=1.1), "", EXACT),
    ("slow volt", LPM | dict(slow={"volt": 2.4}), "", EXACT),
    ("answers with identity of both", dict(identity="ack powershield STLINK-V3PWR 0038"), "", EXACT),
    ("trigdelay refused", dict(wrong=("trigdelay",)), "", EXACT),
    ("acqtime 0 only", dict(wrong=("acqtime inf",)), "", EXACT),
    ("acqtime finite only", LPM | dict(wrong=("acqtime inf", "acqtime 0")), "", EXACT),
    ("acqtime finite only, short", LPM | dict(wrong=("acqtime inf", "acqtime 0", "acqtime 100")), "", EXACT),
    ("suffixes unknown", dict(wrong=("freq 10k", "volt 3300m", "volt vout 3300m")), "", EXACT),
    ("vout needed", dict(wrong=("volt 3300m", "volt get", "pwr on")), "", EXACT),
    ("stop is acknowledged", dict(stop_ack=True), "", EXACT),
    ("stop is ignored once", dict(ignore_stops=1), "", EXACT),
    ("summary in a frame", dict(stop_tail=F4 + b"\xF0\xF2" + SUMMARY + b"\xFF\xFF"), "", EXACT),
    ("no summary", dict(stop_tail=F4), "", EXACT),
    ("volts in text", dict(volts="3300m"), "", EXACT),
    ("volts wrong", dict(volts="3000-03"), "", "supplies 3.000 V after it was told to supply 3.300 V"),
    ("earlier error", dict(pending_error="Overcurrent >59mA, dynamic acquisition stopped"), "", EXACT, "earlier error"),
    ("stuck error", dict(wrong=("status",), err="error: hardware", detail=False), "", "does not clear"),
    ("still running", dict(busy_at_open=iter([(b"\x31\x45" * 400, 0.05)] * 500)), "", EXACT),
    ("still running, slowly", dict(busy_at_open=iter([(b"\x31\x45", 1.0)] * 500)), "", EXACT),
    ("stale samples", dict(before_stamp0=b"\x41\x23" * 333), "", EXACT),
    ("stale odd samples", dict(before_stamp0=b"\x41\x23" * 333 + b"\x41"), "", EXACT),
    ("CR LF after start", dict(after_start=b"\r\n\0\r\n"), "", EXACT),
    ("prompt after start", dict(after_start=b"\r\nstlp > "), "", EXACT),
    ("counter wraps", dict(base_ms=0x7FFFFFFF - 250), "", EXACT),
    ("stamps like tags", dict(base_ms=0x00F0F300 - 200), "", EXACT),
    ("stamps like ends", dict(base_ms=0x7FF0F4FF), "", EXACT),
    ("hardware trigger", {}, "--trigger hw", EXACT),
    ("hardware trigger, lpm01a", LPM, "--trigger hw", EXACT),
    ("hardware trigger, late", dict(edge_s=5), "--trigger hw", EXACT),
    ("no hardware trigger", dict(wrong=("trigsrc hw",)), "--trigger hw", "refused `trigsrc hw`"),
    ("flat", dict(blocks=FLAT), "", EXACT, "stuck"),
    ("host clock 2 % slow", dict(pace=0.98), "--rate 20k --seconds 4", EXACT, "slower"),
    ("silent", dict(mute=("powershield",)), "", "no power monitor answers"),
    ("freq never acknowledged", dict(mute=("freq",)), "", "did not acknowledge `freq"),
    ("start never acknowledged", dict(mute=("start",)), "", "did not acknowledge `start`"),
    ("pwr refused", dict(wrong=("pwr",)), "", "refused `pwr on`"),
    ("stamp missing", dict(damage=at(3, cut(2000, 9))), "", EXACT, "a time stamp is missing"),
    ("F0 F0 F3", dict(damage=at(3, lambda d: d[:1999] + b"\xF0" + d[2000:])), "", None),
    ("unknown tag", dict(damage=at(3, put(800, b"\xF0\xFB\xFF\xFF"))), "", EXACT, "unknown kind"),
    ("unknown tag with payload", dict(damage=at(3, put(800, b"\xF0\xFE\x01\x02\x03\x04\xFF\xFF"))), "", EXACT, "unknown kind"),
    ("information", dict(damage=at(3, put(800, b"\xF0\xF2hello\r\n\xFF\xFF"))), "", EXACT),
    ("answers in the stream", dict(damage=at(3, put(800, b"\xF0\xF7\x0C\xE4\xFF\xFF\xF0\xF8\x00\x1B\xFF\xFF\xF0\xF9\x01\xFF\xFF"))),
     "", EXACT),
    ("pwr off in the stream", dict(damage=at(3, put(800, b"\xF0\xF9\x00\xFF\xFF"))), "", "supply was interrupted"),
    ("first byte lost", dict(damage=at(2, cut(0))), "", "damaged"),
    ("low byte lost", dict(damage=at(3, cut(1001))), "", "damaged"),
    ("high byte lost", dict(damage=at(3, cut(1000))), "", "damaged"),
    ("sample lost", dict(damage=at(3, cut(1000, 2))), "", "999 samples"),
    ("block lost", dict(damage=at(3, lambda d: b"")), "", "damaged"),
    ("byte doubled", dict(damage=at(3, put(1000, b"\x55"))), "", "damaged"),
    ("sample doubled", dict(damage=at(3, put(1000, b"\x51\x55"))), "", "1001 samples"),
    ("high byte flipped", dict(damage=at(2, flip(1000, 0x70))), "", "stands alone|more than"),
    ("high byte flipped, little weight", dict(damage=at(3, flip(1000, 0x10))), "", None),
    ("high byte flipped to F", dict(damage=at(3, flip(1000, 0xA0))), "", "damaged|alone|more than"),
    ("stamp flipped", dict(damage=at(3, flip(2004, 0x20))), "", "clock|damaged|samples"),
    ("tag flipped", dict(damage=at(3, flip(2001, 0x01))), "", EXACT, "a time stamp is missing"),
    ("end of stamp flipped", dict(damage=at(3, flip(2008, 0x40))), "", "damaged"),
    ("garbage", dict(damage=at(3, put(1000, bytes(range(256))))), "", "damaged|ended|samples"),
    ("error text", dict(damage=at(3, put(500, b"\xF0\xF1error: ADC lost\r\n\xFF\xFF" + F4))), "", "ADC lost"),
    ("overcurrent text", dict(damage=at(3, put(600, b"\xF0\xF1error: Overcurrent >59mA, dynamic acquisition stopped\r\n\xFF\xFF"))),
     "", "vercurrent"),
    ("overcurrent 4", dict(damage=at(3, put(600, b"\xF0\xF5\xFF\xFF"))), "", "vercurrent"),
    ("overcurrent 6", dict(damage=at(3, put(600, b"\xF0\xF5\x02\x26\xFF\xFF"))), "", "vercurrent"),
    ("overcurrent 8", dict(damage=at(3, put(600, b"\xF0\xF5\x00\x00\x02\x26\xFF\xFF"))), "", "vercurrent"),
    ("overcurrent as an end", LPM | dict(pending_error="", damage=at(3, put(600, F4))), "", "ended the acquisition by itself"),
    ("reset of the target", dict(damage=at(3, put(600, b"\xF0\xF6\xFF\xFF"))), "", "brown-out"),
    ("buffer 99 %", dict(buffer=lambda block: 99 if block == 4 else 2), "", EXACT, "99 % full"),
    ("jumper out", dict(blocks=[[0] * 1000] * 4), "", "jumper"),
    ("jumper out, noise", dict(blocks=waves(4, 2e-8, 3e-8)), "", "jumper"),
    ("little current", dict(blocks=waves(4, 2e-4, 3e-4)), "", EXACT, "jumper"),
    ("stuck from the second on", dict(stuck_after=1), "", "stuck"),
    ("current goes", dict(blocks=waves(4) + [[0] * 1000] * 400), "", "falls to zero"),
    ("too much", dict(blocks=waves(8, 0.9, 0.9)), "", "more than the meter can carry"),
    ("unplugged in a frame", dict(damage=at(3, hang_up(2004))), "", "unplugged"),
    ("unplugged while it warms up", dict(damage=at(1, hang_up(300), 1)), "", "unplugged"),
    ("text: digit lost", TEXT | dict(damage=at(3, cut(1000))), "", None),
    ("text: line end lost", TEXT | dict(damage=at(3, cut(1006, 2))), "", None),
    ("text: line lost", TEXT | dict(damage=at(3, cut(999, 9))), "", "999 samples"),
    ("text: line doubled", TEXT | dict(damage=at(3, put(999, b"1000-05\r\n"))), "", "1001 samples"),
    ("text: letter", TEXT | dict(damage=at(3, lambda d: d[:1001] + b"x" + d[1002:])), "", "damaged"),
    ("text: error", TEXT | dict(damage=at(3, put(900, b"\r\nerror: Overcurrent >59mA, dynamic acquisition stopped\r\n\r\nend\r\n"))),
     "", "vercurrent"),
    ("text: power", LPM | TEXT | dict(damage=at(3, put(900, b"\r\npwr on\r\n"))), "", EXACT),
    ("text: events", LPM | TEXT | dict(damage=at(3, put(900, b"\r\nevent 07 ris\r\n"))), "", EXACT),
]


class Power(unittest.TestCase):
    def record(self, row):
        name, keywords, arguments, expected, *warning = row
        command = [live.BUILD / "switchyard-worker", "power", "record", "--json"]
        options = dict(zip(*[iter(arguments.split())] * 2))
        options = {"--volts": "3.3", "--rate": "10k", "--seconds": "0.6"} | options
        with Meter(**keywords) as meter:
            for pair in options.items():
                command += pair
            done = subprocess.run([*command, "--port", meter.port], capture_output=True, text=True, timeout=60)
            answer = json.loads(done.stdout) if done.stdout else None
            truth = meter.exact_sum_a(answer["samples"]) / meter.rate if answer else None
        if answer:
            wanted = round(float(options["--seconds"]) * meter.rate)
            self.assertEqual((answer["samples"], answer["lost"]), (wanted, 0))
            if expected is EXACT:
                self.assertAlmostEqual(answer["charge_c"] / float(truth), 1, delta=1e-12)
                self.assertAlmostEqual(answer["energy_j"] / float(truth * 33 / 10), 1, delta=1e-12)
                warnings = " | ".join(answer["warnings"])
                self.assertEqual(bool(warning), bool(answer["warnings"]), warnings)
                self.assertIn(*(warning or [""]), warnings)
        if expected is EXACT:
            self.assertEqual(done.returncode, 0, done.stderr)
        elif expected is not None:
            self.assertIn(done.returncode, (3, 4), answer)
            self.assertEqual(done.stdout, "")
            self.assertRegex(done.stderr, re.compile(expected))
        elif answer:  # either is right, but not a figure that is far off
            self.assertAlmostEqual(answer["charge_c"] / float(truth), 1, delta=1e-3)

    def test_the_volts_are_those_that_were_set(self):
        with Meter() as meter:
            done = subprocess.run([live.BUILD / "switchyard-worker", "power", "record", "--json", "--port", meter.port, "--volts", "3.3333",
                                   "--rate", "10k", "--seconds", "0.1"], capture_output=True, text=True, timeout=60)
            answer = json.loads(done.stdout)
            self.assertEqual((answer["volts"], meter.set_volts), (3.333, 3.333))
            self.assertAlmostEqual(answer["energy_j"] / answer["charge_c"], 3.333, delta=1e-12)

    def test_an_answer_that_cannot_be_written_is_no_success(self):
        with Meter() as meter, open("/dev/full", "w") as full:
            done = subprocess.run([live.BUILD / "switchyard-worker", "power", "record", "--json", "--port", meter.port, "--volts", "3.3",
                                   "--rate", "10k", "--seconds", "0.1"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "cannot write the result: No space left")

    def test_a_trace_that_cannot_be_written_leaves_nothing(self):
        """An EIO in the middle of it; ENOSPC is a row of tests/unit/test_power_record.c."""
        with Meter() as meter, tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([live.BUILD / "switchyard-worker", "power", "record", "--json", "--port", meter.port, "--volts", "3.3",
                                   "--rate", "10k", "--seconds", "0.1", "--trace", f"{folder}/a.trace"], capture_output=True, text=True,
                                  timeout=60, env=os.environ | {"SWITCHYARD_FAULT": "trace.write:3"})
            self.assertEqual(os.listdir(folder), [])
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, "cannot write the trace .*: Input/output error")

    def no_edge(self):
        with Meter(edge_s=1000) as meter:
            done = subprocess.run([live.BUILD / "switchyard-worker", "power", "record", "--json", "--port", meter.port, "--volts", "3.3",
                                   "--rate", "10k", "--seconds", "0.1", "--trigger", "hw"], capture_output=True, text=True, timeout=90)
        self.assertEqual((done.returncode, done.stdout), (4, ""))
        self.assertRegex(done.stderr, "no edge came on the meter's trigger input within 60 s")

    def test_exact_or_refused(self):
        """And a meter whose edge never comes: it is waited for a minute meanwhile."""
        wanted = sys.argv[1:] and [a for a in sys.argv[1:] if not a.startswith("-")]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            no_edge = pool.submit(self.no_edge)
            rows = [row for row in ROWS if not wanted or row[0] in wanted]
            for row, done in [(row, pool.submit(self.record, row)) for row in rows]:
                with self.subTest(row[0]):
                    done.result()
            with self.subTest("no edge"):
                no_edge.result()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
