#!/usr/bin/env python3
"""`switchyard-worker power analyze` on the published MLPerf Tiny folders with random damage in them: the published median, a gate that
fails, or one sentence that refuses.  Any other figure is wrong.

    tests/e2e/long_analyze_damage.py [COUNT [SEED]]"""
import collections
import gzip
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import live  # noqa: E402

ENERGY, STAMPS, RESULTS = "trace1-energy.bin", "trace1-timestamps.json", "results.txt"
# Another choice of the samples at a window's edges moves a median by this much (reference 3.1).
TOLERANCE = 2e-4
ROOTS = [os.environ.get("SWITCHYARD_SHARED", ""), live.ROOT / "../shared", live.ROOT / "../../shared", live.ROOT / "../../../shared"]


def folders():
    for root in ROOTS:
        found = sorted(pathlib.Path(root, "data/mlperf-tiny-v1.2").glob("*/*/" + ENERGY)) if root else []
        if found:
            return [path.parent for path in found]
    return []


def analyze(path, **options):
    done = subprocess.run([live.BUILD / "switchyard-worker", "power", "analyze", path, "--json"], capture_output=True, timeout=60, **options)
    return done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace")


# Each takes bytes and dice, and gives damaged bytes.
def flip(data, dice):
    data = bytearray(data)
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(data)


def cut(data, dice):
    return data[:dice.randrange(len(data))]


def cut_samples(data, dice):
    return data[:5 + 4 * dice.randrange((len(data) - 5) // 4)]


def hole(data, dice):
    at = dice.randrange(len(data))
    return data[:at] + data[at + dice.choice([1, 2, 4, 40, 4000]):]


def double(data, dice):
    at, size = dice.randrange(len(data)), dice.choice([1, 4, 40, 4000])
    return data[:at] + data[at:at + size] + data[at:]


def zeros(data, dice):
    at = dice.randrange(len(data))
    size = dice.choice([4, 400, 4096])
    return data[:at] + bytes(len(data[at:at + size])) + data[at + size:]


def junk(data, dice):
    return bytes(dice.randrange(256) for _ in range(dice.choice([1, 100, 5000])))


def swap_words(data, dice):
    return data[:5] + b"".join(data[i:i + 4][::-1] for i in range(5, len(data), 4))


def text(change):
    return lambda data, dice: change(data.decode(), dice).encode()


def line(change):
    def damaged(whole, dice):
        lines = whole.splitlines(keepends=True)
        at = dice.randrange(len(lines))
        lines[at:at + 1] = change(lines[at], dice)
        return "".join(lines)
    return text(damaged)


def number(change):
    def damaged(whole, dice):
        found = list(re.finditer(r"\d+\.\d+|\d{2,}", whole))
        hit = dice.choice(found)
        return whole[:hit.start()] + change(hit.group(), dice) + whole[hit.end():]
    return text(damaged)


ANY = [flip, flip, cut, hole, double, zeros, junk, lambda d, r: b"", lambda d, r: gzip.compress(d), lambda d, r: d + d,
       lambda d, r: b"\xef\xbb\xbf" + d, lambda d, r: d.replace(b"\n", b"\r\n"), lambda d, r: d + junk(d, r)]
TEXT = [line(lambda x, r: []), line(lambda x, r: [x, x]), line(lambda x, r: [x[:r.randrange(len(x))] + "\n"]),
        line(lambda x, r: ["x" * 200000 + x]), text(lambda x, r: re.sub(r"(\d)\.(\d)", r"\1,\2", x)),
        text(lambda x, r: x.replace("uJ", "mJ")), text(lambda x, r: x.replace(".", "")),
        number(lambda x, r: "1e400"), number(lambda x, r: "NaN"), number(lambda x, r: "-" + x), number(lambda x, r: "0"),
        number(lambda x, r: "9" * 400), number(lambda x, r: str(float(x) * r.choice([1.001, 10, 0.5]))),
        number(lambda x, r: x[:-1] + str((int(x[-1]) + 1) % 10))]
DAMAGE = {ENERGY: ANY + [cut_samples, swap_words], STAMPS: ANY + TEXT, RESULTS: ANY + TEXT}


class Damage(unittest.TestCase):
    count, seed = 1500, 5

    def setUp(self):
        self.folders = folders()
        if not self.folders:
            self.skipTest("the published traces are not here")
        self.path = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def judge(self, published, status, out, said):
        """What became of a damaged folder; raises when that is wrong."""
        if status:
            self.assertIn(status, (1, 3), said)
            self.assertEqual(out, "")
            self.assertRegex(said, r"\Aswitchyard-worker power: [^\n]{10,}\n\Z")
            return "refused"
        answer = json.loads(out)
        self.assertEqual(list(answer), ["sample_rate_hz", "samples", "windows", "median_energy_per_inference_j", "gates"])
        if not all(gate["passed"] for gate in answer["gates"]):
            return "gate"
        self.assertLess(abs(answer["median_energy_per_inference_j"] / published - 1), TOLERANCE)
        return "exact"

    def test_random_damage(self):
        dice, seen = random.Random(self.seed), collections.Counter()
        for k in range(self.count):
            source = dice.choice(self.folders)
            name = dice.choice(list(DAMAGE))
            which = dice.randrange(len(DAMAGE[name]))
            target = self.path / "run"
            shutil.copytree(source, target, copy_function=lambda a, b: pathlib.Path(b).write_bytes(pathlib.Path(a).read_bytes()))
            target.chmod(0o755)
            (target / name).write_bytes(DAMAGE[name][which]((source / name).read_bytes(), dice))
            published = float(re.search(r"Median energy cost is ([\d.]+)", (source / RESULTS).read_text()).group(1)) * 1e-6
            with self.subTest(case=k, folder=str(source), file=name, damage=which):
                seen[self.judge(published, *analyze(target))] += 1
            shutil.rmtree(target)
        print(dict(seen))

    def test_strange_files(self):
        """What stands in the place of a file, or of the folder."""
        source, target = self.folders[0], self.path / "run"
        shutil.copytree(source, target)
        target.chmod(0o755)
        for name in (ENERGY, STAMPS, RESULTS):
            keep = (target / name).read_bytes()
            for kind, make in (("folder", lambda p: p.mkdir()), ("loop", lambda p: p.symlink_to(p)), ("zero", lambda p: p.symlink_to("/dev/zero")),
                               ("pipe", os.mkfifo), ("dangling", lambda p: p.symlink_to("nowhere"))):
                with self.subTest(file=name, kind=kind):
                    (target / name).unlink()
                    make(target / name)
                    try:
                        status, out, said = analyze(target)
                        dangling = kind == "dangling" and name == RESULTS  # that is a run without published figures
                        if not dangling:
                            self.assertIn(status, (1, 3), said)
                            self.assertEqual(out, "")
                    finally:
                        shutil.rmtree(target / name) if (target / name).is_dir() and not (target / name).is_symlink() else (target / name).unlink()
                        (target / name).write_bytes(keep)
        for name in ("loop", "pipe"):
            path = self.path / name
            path.symlink_to(path) if name == "loop" else os.mkfifo(path)
            self.assertIn(analyze(path)[0], (1, 3))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Damage.count = int(sys.argv[1])
    if len(sys.argv) > 2:
        Damage.seed = int(sys.argv[2])
    unittest.main(argv=sys.argv[:1])
