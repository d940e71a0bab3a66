#!/usr/bin/env python3
"""The picture of a recording over HTTP: any window, lost samples, what is no recording."""
import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import live  # noqa: E402


def part(name, body):
    head = name + struct.pack("<Q", len(body))
    return head + body + hashlib.sha256(head + body).digest()


def recording(codes, **head):
    head = {"format": 1, "code": "hex16", "rate_hz": 1000, "volts_v": 3.3, "samples": len(codes), "lost": 0, "marks": [], "windows": [],
            "suspects": [], "provenance": {}, **head}
    return b"SYTRACE1" + part(b"HEAD", json.dumps(head).encode()) + part(b"SAMP", struct.pack(f"<{len(codes)}H", *codes)) + part(b"END ", b"")


CODES = [(0x1000 if k % 7 else 0x2000) | (k * 37 % 4096) for k in range(5000)]
AMPERES = [(code & 0xFFF) * 16.0 ** -(code >> 12) for code in CODES]


class Traces(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(live.Server())
        cls.sha256 = cls.put(recording(CODES, suspects=[{"first": 1000, "count": 500, "verdict": 2}], lost=500,
                                       windows=[{"start_s": 2, "end_s": 3, "inferences": 5, "device_s": 1}],
                                       marks=[{"at": 2000, "name": "start", "text": "SY-START \"n\""}, {"at": 4000, "name": "end", "text": ""}]))

    @classmethod
    def put(cls, body):
        sha256 = hashlib.sha256(body).hexdigest()
        urllib.request.urlopen(urllib.request.Request(f"{cls.server.url}/switchyard/files/{sha256}", body, method="PUT"), timeout=30).close()
        return sha256

    def get(self, query="", sha256=None):
        with urllib.request.urlopen(f"{self.server.url}/switchyard/traces/{sha256 or self.sha256}{query}", timeout=30) as reply:
            return json.load(reply)

    def status(self, query="", sha256=None):
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.get(query, sha256)
        return refused.exception.code

    def test_a_window_is_exact(self):
        seen = self.get("?from=2.0&to=4.0&pixels=300")
        self.assertEqual((seen["from_s"], seen["to_s"], seen["duration_s"], seen["samples"]), (2.0, 4.0, 5.0, 5000))
        self.assertEqual(len(seen["mean_a"]), 300)
        for i in range(300):
            piece = AMPERES[2000 + 2000 * i // 300:2000 + 2000 * (i + 1) // 300]
            self.assertEqual((seen["min_a"][i], seen["max_a"][i]), (min(piece), max(piece)))
            self.assertAlmostEqual(seen["mean_a"][i], sum(piece) / len(piece), delta=1e-12)
        self.assertEqual([m["name"] for m in seen["marks"]], ["start"])
        self.assertEqual(seen["marks"][0], {"at_s": 2.0, "name": "start", "text": "SY-START \"n\""})
        self.assertEqual(seen["windows"][0]["end_s"], 3)
        self.assertEqual(self.get("?from=2.0&to=2.001")["min_a"], [AMPERES[2000]])

    def test_a_flow_keeps_its_recording(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            (path / "flow.yaml").write_text("name: keep\ntasks:\n"
                                            "  keep: {uses: file.put, with: {path: trace.syt}}\n"
                                            "  none: {uses: file.put, with: {path: other.syt, optional: true}}\n"
                                            "  large: {uses: file.put, always: true, with: {path: trace.syt, max_bytes: 100}}\n"
                                            "  absent: {uses: file.put, always: true, with: {path: other.syt}}\n")
            body = recording(CODES[:777])
            (path / "trace.syt").write_bytes(body)
            done = subprocess.run([live.BUILD / "switchyard-worker", "flow", "run", path / "flow.yaml", "--work", folder, "--data", path / "data",
                                   "--server", self.server.url], capture_output=True, text=True, timeout=60)
            said = done.stdout + done.stderr
            self.assertRegex(said, r"(?m)^keep +Completed")
            self.assertRegex(said, r"(?m)^none +Completed")
            self.assertIn("trace.syt has more than 100 bytes", said)
            self.assertIn("other.syt cannot be opened: No such file", said)
            self.assertEqual(self.get(sha256=hashlib.sha256(body).hexdigest())["samples"], 777)

    def test_lost_samples_are_gaps(self):
        seen = self.get("?pixels=10")
        self.assertEqual((seen["lost"], seen["suspects"]), (500, [{"start_s": 1.0, "end_s": 1.5}]))
        self.assertEqual(seen["mean_a"][2], None)  # 1.0 to 1.5 s
        self.assertEqual([i for i, a in enumerate(seen["max_a"]) if a is None], [2])

    def test_what_it_refuses(self):
        self.assertEqual(self.status("?pixels=0"), 422)
        self.assertEqual(self.status("?pixels=5000"), 422)
        self.assertEqual(self.status("?from=3&to=2"), 422)
        self.assertEqual(self.status("?from=x"), 422)
        self.assertEqual(self.status(sha256="0" * 64), 404)
        self.assertEqual(self.status(sha256="../secret"), 404)
        self.assertEqual(self.status(sha256=self.put(b"no recording")), 422)
        self.assertEqual(self.status(sha256=self.put(recording(CODES)[:400])), 422)
        self.assertEqual(self.get("?from=99&to=100")["mean_a"], [])

    def test_a_pyramid_that_is_not_whole_is_made_again(self):
        body = recording(CODES[:3000])
        sha256 = self.put(body)
        beside = pathlib.Path(self.server.folder, "data/files", sha256[:2], sha256 + ".pyramid")
        before, kept = self.get("?pixels=9", sha256), beside.read_bytes()
        for damage in (b"", kept[:100], b"X" + kept[1:]):
            beside.write_bytes(damage)
            self.assertEqual(self.get("?pixels=9", sha256), before)
            self.assertEqual(beside.read_bytes(), kept)
        beside.unlink()
        self.assertEqual(self.get("?pixels=9", sha256), before)


if __name__ == "__main__":
    unittest.main()
