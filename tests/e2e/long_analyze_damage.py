#!/usr/bin/env python3
"""`switchyard-worker power analyze` on the published MLPerf Tiny folders with random damage in them: the published median, a gate that
fails, or one sentence that refuses.  Any other figure is wrong.

    tests/e2e/long_analyze_damage.py [COUNT [SEED]]"""
import array
import collections
import gzip
import json
import math
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
# Published figures have three digits behind the point.
TOLERANCE, MEDIAN_TOLERANCE_UJ = 1e-8, 0.0006
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


def samples(change):
    """Changes whole samples; the last bytes stay when they are none."""
    def damaged(data, dice):
        rest = len(data) - (len(data) - 5) % 4 if len(data) > 5 else len(data)
        body = array.array("f", data[5:rest])
        return data[:5] + change(body, dice).tobytes() + data[rest:]
    return damaged


def assign(value):
    def change(body, dice):
        body[dice.randrange(len(body))] = value
        return body
    return change


def rotate(body, dice):
    """Two stretches change places."""
    a, b = sorted(dice.randrange(len(body)) for _ in range(2))
    return body[:a] + body[b:] + body[a:b]


def swap(body, dice):
    a, b = dice.randrange(len(body)), dice.randrange(len(body))
    body[a], body[b] = body[b], body[a]
    return body


def again(body, dice):
    at, size = dice.randrange(len(body)), dice.choice([1, 7, 1000])
    return body[:at] + body[at:at + size] + body[at:]


def missing(body, dice):
    at, size = dice.randrange(len(body)), dice.choice([1, 7, 1000])
    return body[:at] + body[at + size:]


def scale(body, dice):
    """A stretch in another unit."""
    at, size, factor = dice.randrange(len(body)), dice.choice([1, 100, 10000]), dice.choice([1e-3, 0.99, 1.01, -1, 1e3])
    return body[:at] + array.array("f", [x * factor for x in body[at:at + size]]) + body[at + size:]


def stamps(change):
    def damaged(data, dice):
        try:
            values = json.loads(data)
        except ValueError:
            return data[:-1]
        return json.dumps(change(values, dice) if isinstance(values, list) and values else values).encode()
    return damaged


def neighbours(values, dice):
    at = dice.randrange(len(values))
    values[at - 1], values[at] = values[at], values[at - 1]
    return values


def shifted(values, dice):
    at, by = dice.randrange(len(values)), dice.choice([-1e-3, 1e-3, 0.01, -0.5])
    return values[:at] + [x + by for x in values[at:]]


SAMPLES = [samples(c) for c in (assign(math.nan), assign(math.inf), assign(0.0), assign(-1.0), assign(1e30), rotate, swap, again, missing, scale)]
TIMES = [stamps(c) for c in (neighbours, shifted, lambda v, r: v[::-1], lambda v, r: [x * 1000 for x in v], lambda v, r: v[1:],
                             lambda v, r: [[x] for x in v], lambda v, r: [str(x) for x in v], lambda v, r: v + v[-1:],
                             lambda v, r: v[:-2], lambda v, r: [None] + v[1:], lambda v, r: {"timestamps": v})]


def text(change):
    return lambda data, dice: change(data.decode("latin-1"), dice).encode("latin-1")


def line(change):
    def damaged(whole, dice):
        lines = whole.splitlines(keepends=True)
        if not lines:
            return whole
        at = dice.randrange(len(lines))
        lines[at:at + 1] = change(lines[at], dice)
        return "".join(lines)
    return text(damaged)


def number(change):
    def damaged(whole, dice):
        found = list(re.finditer(r"\d+\.\d+|\d{2,}", whole))
        if not found:
            return whole
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
DAMAGE = {ENERGY: ANY + [cut_samples, swap_words] + SAMPLES, STAMPS: ANY + TEXT + TIMES, RESULTS: ANY + TEXT + [lambda d, r: None]}


def damage(path, change, dice):
    """Once more on what an earlier hit left; None takes the file away."""
    data = path.read_bytes() if path.exists() else b""
    changed = change(data, dice) if data else data
    if changed is None:
        path.unlink()
    else:
        path.write_bytes(changed)


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
        windows_uj, median_uj = published
        for window, energy_uj in zip(answer["windows"], windows_uj, strict=True):
            self.assertLess(abs(window["energy_j"] * 1e6 / energy_uj - 1), TOLERANCE)
        self.assertAlmostEqual(answer["median_energy_per_inference_j"] * 1e6, median_uj, delta=MEDIAN_TOLERANCE_UJ)
        return "exact"

    def test_random_damage(self):
        dice, seen = random.Random(self.seed), collections.Counter()
        for k in range(self.count):
            source = dice.choice(self.folders)
            names = dice.choices(list(DAMAGE), k=dice.choice([1, 1, 1, 2]))
            hits = [(name, dice.randrange(len(DAMAGE[name]))) for name in names]
            target = self.path / "run"
            shutil.copytree(source, target, copy_function=lambda a, b: pathlib.Path(b).write_bytes(pathlib.Path(a).read_bytes()))
            target.chmod(0o755)
            for name, which in hits:
                damage(target / name, DAMAGE[name][which], dice)
            said = (source / RESULTS).read_text()
            published = ([float(x) for x in re.findall(r"Energy {5,}: +([\d.]+) uJ", said)],
                         float(re.search(r"Median energy cost is ([\d.]+)", said).group(1)))
            with self.subTest(case=k, folder=str(source), damage=hits):
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
