#!/usr/bin/env python3
"""`make demo-ci`, twice: the whole job on emulated hardware, and the same campaign again, which has nothing left to do."""
import csv
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

DEMO_S = 400
MODELS = ["ad01", "fc-large", "fc-medium", "fc-small"]  # from large to small
TARGETS = ["netduino2", "netduinoplus2"]


class DemoTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="switchyard-demo-")))
        cls.folder.chmod(0o755)
        cls.first = cls.demo()
        cls.report = cls.folder / "report-test"

    @classmethod
    def demo(cls):
        environment = {**os.environ, "MODE": live.BUILD.name, "DEMO_DIR": str(cls.folder), "DEMO_PORT": "4470",
                       "DEMO_CAMPAIGN": "test", "DEMO_MODELS": ",".join(MODELS)}
        return subprocess.run([live.ROOT / "deploy/demo/demo.sh", "--exit"], env=environment, text=True, timeout=DEMO_S,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def rows(self):
        with open(self.report / "report.csv", newline="") as file:
            return list(csv.DictReader(file))

    def test_1_it_ends_well(self):
        self.assertEqual(self.first.returncode, 0, self.first.stdout[-4000:])
        self.assertIn("8 runs created; campaign test", self.first.stdout)
        self.assertEqual(self.first.stdout.count("Completed in"), 9)
        self.assertIn(str(self.report / "report.html"), self.first.stdout)

    def test_2_every_combination_is_a_result(self):
        rows = self.rows()
        self.assertEqual(sorted((r["model"], r["target"]) for r in rows), [(m, t) for m in MODELS for t in TARGETS])
        for row in rows:
            self.assertEqual((row["status"], row["origin"], row["lost"]), ("result", "emulated", "0"), row["reason"])
            self.assertRegex(row["firmware_commit"], "^[0-9a-f]{40}$")

    def test_3_larger_models_cost_more(self):
        energy = {(r["model"], r["target"]): float(r["median_energy_per_inference_j"]) for r in self.rows()}
        for target in TARGETS:
            column = [energy[model, target] for model in MODELS]
            self.assertEqual(column, sorted(column, reverse=True))
            self.assertTrue(all(1e-6 < joules < 1 for joules in column), column)

    def test_4_the_report_stands_alone(self):
        page = (self.report / "report.html").read_text()
        self.assertFalse(re.findall(r'(?:src|href)="(?:https?:)?//', page))
        self.assertIn("emulated", page.lower())
        pictures = re.findall(r'<img [^>]*src="([^"]{0,30})', page)
        self.assertEqual(len(pictures), 10)  # a trace per combination, energy, energy against latency
        self.assertTrue(all(source.startswith("data:image/svg+xml;base64,") for source in pictures), pictures)
        json.loads((self.report / "report.json").read_text())

    def test_5_again_there_is_nothing_left_to_do(self):
        again = self.demo()
        self.assertEqual(again.returncode, 0, again.stdout[-4000:])
        self.assertIn("0 runs created, 8 there already; campaign test", again.stdout)
        self.assertEqual(len(self.rows()), 8)

    def test_6_nothing_keeps_running(self):
        for path in self.folder.glob("*.pid"):
            with self.assertRaises(ProcessLookupError, msg=path.name):
                os.kill(int(path.read_text()), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
