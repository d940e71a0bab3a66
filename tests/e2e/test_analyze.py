#!/usr/bin/env python3
"""`switchyard-worker power analyze` on folders and traces with damage in them: the exact answer, a gate that fails, or a
refusal that names the fault.  The folders are made here, so that the answers are known."""
import array
import fractions
import hashlib
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
from meter import Meter, code, value  # noqa: E402

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
    ("no energies in the results", file(RESULTS, lambda b: b"\n".join(x for x in b.splitlines() if b"Energy " not in x)), "published_figures"),
    ("results cut before the inferences", file(RESULTS, lambda b: b[:b.index(b"x ulp-ml: Perf")]), EXACT),
    ("so few energies per inference", file(RESULTS, lambda b: b[:b.index(b"x ulp-ml: Perf")], level=0.02), "windows_found"),
    ("not published", lambda: Folder(results=False), "windows_found"),
    ("cut off in a sample", file(ENERGY, lambda b: b[:-7]), "5 \\+ 4N"),
    ("cut off at a sample", file(ENERGY, lambda b: b[:-4 * 900]), "energy.bin: it is cut off"),
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
    ("half a second missing", samples(lambda e: [e.pop(500) for _ in range(500)]), "one is damaged|is cut off"),
    ("zeros for samples", samples(lambda e: [assign(k, 0.0)(e) for k in range(700, 750)], results=False), "a gap"),
    ("one sample of 20", samples(assign(900, 800.0), results=False), "stands alone"),
    ("one sample a bit off", samples(assign(900, 41.5)), "one is damaged"),
    ("stamps swapped", stamps(lambda t: t.__setitem__(slice(3, 5), [t[4], t[3]])), "is not a time after"),
    ("stamp twice", stamps(lambda t: assign(4, t[3])(t)), "is not a time after"),
    ("windows overlap", stamps(lambda t: assign(3, t[2] - 0.2)(t)), "is not a time after"),
    ("clock jumps", stamps(lambda t: t.__setitem__(slice(5, None), [x + 0.4 for x in t[5:]])), "of another trace|at .* s in the stamps"),
    ("clock jumps back", stamps(lambda t: t.__setitem__(slice(5, None), [x - 3 for x in t[5:]])), "is not a time after"),
    ("stamp of a long time", stamps(assign(-1, 1e9)), "of another trace"),
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


def part(name, body):
    head = name + struct.pack("<Q", len(body))
    return head + body + hashlib.sha256(head + body).digest()


class Recording:
    """A trace as docs and worker/lab/trace.h describe it: 1.5 s at 10 kS/s with three windows of 0.2 s."""

    def __init__(self):
        dice = random.Random(11)
        self.head = {"format": 1, "code": "hex16", "rate_hz": 10000.0, "volts_v": 3.3, "lost": 0, "marks": [], "suspects": [],
                     "windows": [{"start_s": s + 0.00003, "end_s": s + 0.20001, "inferences": 100, "device_s": 0.2} for s in (0.3, 0.7, 1.1)],
                     "provenance": {}}
        self.codes = array.array("H", [code(0.0222 * dice.gauss(1, 0.004) if any(s <= k / 10000 < s + 0.2 for s in (0.3, 0.7, 1.1))
                                            else 0.0071 * dice.gauss(1, 0.004)) for k in range(15000)])

    def energies_j(self):
        """Sums in whole numbers; the first and the last sample of a window count by their covered share."""
        for w in self.head["windows"]:
            first, end = fractions.Fraction(w["start_s"]) * 10000, fractions.Fraction(w["end_s"]) * 10000
            yield float(sum(value(self.codes[k]) * (min(end, k + 1) - max(first, k)) for k in range(int(first), int(end) + 1)) * 33 / 100000)

    def write(self, path):
        head = json.dumps({"samples": len(self.codes), **self.head}).encode()
        path.write_bytes(b"SYTRACE1" + part(b"HEAD", head) + part(b"SAMP", self.codes.tobytes()) + part(b"PYRA", b"") + part(b"END ", b""))


def window(index, **changes):
    return lambda r: r.head["windows"][index].update(changes)


def lost(first, count):
    return lambda r: r.head.update(suspects=[{"first": first, "count": count, "verdict": 2}], lost=count)


# what is done to it, EXACT or what the refusal or the failed gates say
RECORDINGS = [
    ("good", lambda r: None, EXACT),
    ("lost outside of the windows", lost(100, 15), EXACT),
    ("lost in a window", lost(7100, 15), "^lost_samples$"),
    ("lost at the edge of a window", lost(6995, 10), "^lost_samples$"),
    ("much lost", lost(100, 16), "^lost_samples$"),
    ("more suspect than lost", lambda r: (lost(100, 15)(r), r.head.update(lost=3)), "does not understand"),
    ("suspect beyond the end", lost(15001, 1), "damaged blocks are not in order"),
    ("firmware's clock", window(1, device_s=0.203), "^clock_agrees$"),
    ("no firmware's clock", window(1, device_s=0), "^clock_agrees$"),
    ("twice the inferences", window(1, inferences=200), "^repeatability$"),
    ("no inferences", window(1, inferences=0), "windows are not in order"),
    ("windows overlap", window(1, start_s=0.4), "windows are not in order"),
    ("window beyond the end", window(2, end_s=1.6), "windows are not in order"),
    ("too many marks", lambda r: r.head.update(marks=[{"at": 1, "name": "edge", "text": ""}] * 10001), "does not understand"),
    ("a sample of 0.9 A in a window", lambda r: assign(7100, 0x2E66)(r.codes), "signal_alive"),
    ("0.9 A in the pause", lambda r: assign(6100, 0x2E66)(r.codes), "signal_alive"),
    ("a lone sample in a window", lambda r: assign(7100, code(0.09))(r.codes), "signal_alive"),
    ("zero for 10 ms", lambda r: r.codes.__setitem__(slice(7100, 7200), array.array("H", [0x5000] * 100)), "signal_alive"),
    ("a reserved exponent", lambda r: assign(50, 0xF123)(r.codes), "samples are not what"),
    ("a gate failed then", lambda r: r.head.update(provenance={"failed_gates": ["one_boot"]}), "^as_recorded$"),
]


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

    def test_recordings(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "trace"
            for name, change, expected in RECORDINGS:
                with self.subTest(name):
                    recording = Recording()
                    change(recording)
                    recording.write(path)
                    status, answer, said = analyze(path)
                    failed = " ".join(g["name"] for g in answer["gates"] if not g["passed"]) if answer else said
                    self.assertEqual(status, 0 if answer else 3)
                    self.assertRegex(failed, re.compile(expected or "^$"))
                    if expected is EXACT:
                        for w, energy_j in zip(answer["windows"], recording.energies_j(), strict=True):
                            self.assertAlmostEqual(w["energy_j"] / energy_j, 1, delta=1e-12)

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
