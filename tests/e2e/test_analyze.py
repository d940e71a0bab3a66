#!/usr/bin/env python3
"""`switchyard-worker power analyze` on folders and traces with damage in them: the exact answer, a gate that fails, or a
refusal that names the fault.  The folders are made here, so that the answers are known."""
import array
import json
import math
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import live  # noqa: E402
from meter import Meter  # noqa: E402

N = 300


def analyze(path):
    done = subprocess.run([live.BUILD / "switchyard-worker", "power", "analyze", path, "--json"], capture_output=True, text=True,
                          timeout=60)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


class Folder:
    """Windows of 1 s in a trace of 12 s, as MLPerf Tiny writes it."""

    def __init__(self, rate=1000.0, windows=5, seed=3, results=True, level=40.0):
        dice = random.Random(seed)
        self.rate, self.has_results = rate, results
        self.stamps = [0.019]
        for k in range(windows):
            self.stamps += [round(0.3 + 2.01 * k, 6), round(1.307 + 2.01 * k, 6)]
        self.energies = array.array("f", [(level if self.inside(i / rate) else level * 0.8) * dice.gauss(1, 0.02)
                                          for i in range(int(rate * (self.stamps[-1] + 0.5)))])
        self.said, self.sums = list(self.stamps), self.published()
        self.head = b"\xF1"
        self.changes = {}

    def inside(self, t):
        return any(a <= t < b for a, b in zip(self.stamps[1::2], self.stamps[2::2]))

    def published(self):
        """The published rule: t grows by 1/rate, a window holds start <= t < end."""
        t, sums = 0.0, [0.0] * (len(self.stamps) // 2)
        for e in self.energies:
            for w, (a, b) in enumerate(zip(self.stamps[1::2], self.stamps[2::2])):
                if a <= t < b:
                    sums[w] += e
            t += 1 / self.rate
        return sums

    def results(self):
        text = ""
        for w, total in enumerate(self.sums):
            a, b = self.said[2 * w + 1], self.said[2 * w + 2]
            text += f"x ulp-ml: Energy data for window {2 * w + 2} at time {a:.2f} for {b - a:.2f} sec.:\n"
            text += f"x ulp-ml:   Energy       :   {total:.3f} uJ\nx ulp-ml:   Energy/Inf.  :  {total / N:.3f} uJ/inf.\n"
        text += f"x ulp-ml: Median energy cost is {sorted(self.sums)[len(self.sums) // 2] / N:.3f} uJ/inf.\n"
        for w in range(len(self.sums)):
            text += f"x ulp-ml: Performance results for window {2 * w + 2}:\nx ulp-ml:   # Inferences :   {N}\n"
        return text

    def write(self, path):
        files = {"trace1-energy.bin": self.head + struct.pack("<f", self.rate) + self.energies.tobytes(),
                 "trace1-timestamps.json": json.dumps(self.stamps, indent="\t").encode()}
        if self.has_results:
            files["results.txt"] = self.results().encode()
        for name, change in self.changes.items():
            changed = change(files.get(name, b""))
            files[name] = changed
        for name, content in files.items():
            if content is not None:
                (path / name).write_bytes(content)


def file(name, change, **options):
    def make():
        folder = Folder(**options)
        folder.changes[name] = change
        return folder
    return make


def samples(change, **options):
    """Changes the trace after the results are published."""
    def make():
        folder = Folder(**options)
        change(folder.energies)
        return folder
    return make


def stamps(change, **options):
    def make():
        folder = Folder(**options)
        change(folder.stamps)
        return folder
    return make


def assign(index, value):
    return lambda values: values.__setitem__(index, value)


ENERGY, STAMPS, RESULTS = "trace1-energy.bin", "trace1-timestamps.json", "results.txt"
EXACT = ""
# name, folder, EXACT or what the refusal or the failed gate says
ROWS = [
    ("good", Folder, EXACT),
    ("10 kS/s", lambda: Folder(10000.0, level=4), EXACT),
    ("32 Hz", lambda: Folder(32.0, level=1200), "^repeatability$"),
    ("one window", lambda: Folder(windows=1), EXACT),
    ("results in CR LF", file(RESULTS, lambda b: b.replace(b"\n", b"\r\n")), EXACT),
    ("stamps in CR LF", file(STAMPS, lambda b: b.replace(b"\n", b"\r\n")), EXACT),
    ("no energies in the results", file(RESULTS, lambda b: b"\n".join(x for x in b.splitlines() if b"Energy " not in x)), EXACT),
    ("not published", lambda: Folder(results=False), "windows_found"),
    ("cut off in a sample", file(ENERGY, lambda b: b[:-7]), "5 \\+ 4N"),
    ("cut off at a sample", file(ENERGY, lambda b: b[:-4 * 900]), "within the trace"),
    ("cut off in its head", file(ENERGY, lambda b: b[:3]), "its head alone"),
    ("empty trace", file(ENERGY, lambda b: b""), "its head alone"),
    ("head without samples", file(ENERGY, lambda b: b[:5]), "no samples"),
    ("no trace", file(ENERGY, lambda b: None), "has no trace1-energy.bin"),
    ("no stamps", file(STAMPS, lambda b: None), "has no trace1-timestamps.json"),
    ("wrong first byte", file(ENERGY, lambda b: b"\xF2" + b[1:]), "begins with byte 0xF2"),
    ("trace in CR LF", file(ENERGY, lambda b: b.replace(b"\x0a", b"\x0d\x0a")), "trace1-energy.bin|results.txt"),
    ("big end first", file(ENERGY, lambda b: b[:1] + array.array("f", memoryview(b[5:]).cast("f")).tobytes()[::-1]), "."),
    ("not a number", samples(assign(900, math.nan)), "sample 900 is nan"),
    ("infinite", samples(assign(900, math.inf)), "sample 900 is inf"),
    ("not a number, outside", samples(assign(10, math.nan)), "sample 10 is nan"),
    ("negative", samples(assign(900, -3.0)), "one is damaged"),
    ("sample missing", samples(lambda e: e.pop(1000)), "one is damaged"),
    ("sample missing, not published", samples(lambda e: e.pop(1000), results=False), "windows_found"),
    ("half a second missing", samples(lambda e: [e.pop(500) for _ in range(500)]), "one is damaged|within"),
    ("zeros for samples", samples(lambda e: [assign(k, 0.0)(e) for k in range(700, 750)], results=False), "a gap"),
    ("one sample of 20", samples(assign(900, 800.0), results=False), "stands alone"),
    ("one sample a bit off", samples(assign(900, 41.5)), "one is damaged"),
    ("stamps swapped", stamps(lambda t: t.__setitem__(slice(3, 5), [t[4], t[3]])), "is not a time after"),
    ("stamp twice", stamps(lambda t: assign(4, t[3])(t)), "is not a time after"),
    ("windows overlap", stamps(lambda t: assign(3, t[2] - 0.2)(t)), "is not a time after"),
    ("clock jumps", stamps(lambda t: t.__setitem__(slice(5, None), [x + 0.4 for x in t[5:]])), "within the trace|at .* s in the stamps"),
    ("clock jumps back", stamps(lambda t: t.__setitem__(slice(5, None), [x - 3 for x in t[5:]])), "is not a time after"),
    ("stamp of a long time", stamps(assign(-1, 1e9)), "within the trace"),
    ("stamp missing", stamps(lambda t: t.pop(4)), "expected a list of 2N \\+ 1"),
    ("window missing", stamps(lambda t: [t.pop(4), t.pop(4)]), "windows|in the stamps"),
    ("stamp of text", stamps(assign(4, "3.3")), "is not a time"),
    ("stamp not a number", stamps(assign(4, math.nan)), "timestamps.json is damaged"),
    ("stamps cut off", file(STAMPS, lambda b: b[:-9]), "timestamps.json is damaged at line"),
    ("stamps of an object", file(STAMPS, lambda b: b"{}"), "expected a list"),
    ("stamps empty", file(STAMPS, lambda b: b""), "timestamps.json is damaged"),
    ("results of another run", file(RESULTS, lambda b: Folder(seed=4).results().encode()), "one is damaged"),
    ("results cut off", file(RESULTS, lambda b: b[:400]), "results.txt has"),
    ("results say otherwise", file(RESULTS, lambda b: b.replace(b"Inferences :   300", b"Inferences :   301", 1)), "contradicts"),
    ("results empty", file(RESULTS, lambda b: b""), "results.txt has 0 windows"),
    ("results in bytes", file(RESULTS, lambda b: bytes(range(256)) * 20), "results.txt has 0 windows"),
    ("milli for micro", samples(lambda e: [assign(k, x / 1000)(e) for k, x in enumerate(e)]), "one is damaged"),
    ("spread too large", lambda: spread(), "repeatability"),
]


def spread():
    folder = Folder()
    for i in range(int(2.32 * folder.rate), int(3.2 * folder.rate)):
        folder.energies[i] *= 1.1
    folder.sums = folder.published()
    return folder


class Analyze(unittest.TestCase):
    def judge(self, path, folder, expected):
        status, answer, said = analyze(path)
        if answer is None:
            self.assertEqual(status, 3, said)
            self.assertIsNot(expected, EXACT, said)
            self.assertRegex(said, re.compile(expected))
            return
        self.assertEqual(status, 0)
        failed = " ".join(g["name"] for g in answer["gates"] if not g["passed"])
        self.assertRegex(failed, re.compile(expected or "^$"), answer)
        if expected is EXACT:
            self.assertEqual((answer["sample_rate_hz"], answer["samples"]), (folder.rate, len(folder.energies)))
            for window, total in zip(answer["windows"], folder.sums, strict=True):
                self.assertAlmostEqual(window["energy_j"] / (total * 1e-6), 1, delta=1e-9)
                self.assertEqual(window["inferences"], N)
            median = sorted(folder.sums)[len(folder.sums) // 2] * 1e-6 / N
            self.assertAlmostEqual(answer["median_energy_per_inference_j"] / median, 1, delta=1e-9)

    def test_folders(self):
        for name, make, expected in ROWS:
            with self.subTest(name), tempfile.TemporaryDirectory() as path:
                folder = make()
                folder.write(pathlib.Path(path))
                self.judge(path, folder, expected)

    def test_rates_that_are_none(self):
        for rate in (0.0, -1000.0, math.nan, math.inf, 1e-30, 1e12):
            with self.subTest(rate), tempfile.TemporaryDirectory() as path:
                folder = Folder()
                folder.rate = rate
                folder.write(pathlib.Path(path))
                self.judge(path, folder, "a sample rate of")

    def test_what_is_neither(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            self.assertEqual(analyze(path)[:2], (3, None))  # an empty folder
            (path / "csv").write_text("time,current\n0,0.1\n")
            (path / "empty").write_bytes(b"")
            with open(path / "huge", "wb") as huge:
                huge.truncate(3 << 30)
            for name in ("csv", "empty", "huge"):
                self.assertEqual(analyze(path / name)[:2], (3, None), name)
            (path / ENERGY).symlink_to("huge")
            self.assertEqual(analyze(path)[:2], (3, None))
            self.assertEqual(analyze("/dev/zero")[:2], (3, None))
            (path / ENERGY).unlink()
            os.mkfifo(path / ENERGY)  # nobody writes into it
            self.assertEqual(analyze(path)[:2], (3, None))
            self.assertEqual(analyze(path / "absent")[:2], (1, None))

    def test_our_own_trace(self):
        """Each byte of it counts: a cut and a change anywhere are found."""
        with tempfile.TemporaryDirectory() as folder, Meter() as meter:
            path = pathlib.Path(folder) / "trace"
            done = subprocess.run([live.BUILD / "switchyard-worker", "power", "record", "--port", meter.port, "--volts", "3.3",
                                   "--rate", "10k", "--seconds", "0.3", "--trace", path, "--json"], capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            status, answer, said = analyze(path)
            self.assertEqual((status, answer["samples"], answer["sample_rate_hz"]), (0, 3000, 10000), said)
            whole, dice = path.read_bytes(), random.Random(5)
            for at in [0, 7, 8, 11, 20, len(whole) - 1] + [dice.randrange(len(whole)) for _ in range(12)]:
                for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:], whole[:at] + whole[at + 1:],
                                whole[:at] + b"\r" + whole[at:]):
                    path.write_bytes(damaged)
                    status, answer, said = analyze(path)
                    self.assertEqual((status, answer), (3, None), f"byte {at}: {said}")
                    self.assertRegex(said, "cut off|damaged|not a trace|after its end")


if __name__ == "__main__":
    unittest.main()
