#!/usr/bin/env python3
"""What only the dashboard asks for: the history of runs, and files shown under a name.  TEST_API_URL may name a Prefect server for the
first."""
import datetime
import hashlib
import json
import pathlib
import sys
import unittest
import urllib.error
import urllib.request
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import contract  # noqa: E402
import live  # noqa: E402


def call(url, method, path, body=None, raw=None):
    """(status, headers, text)"""
    data = raw if raw is not None else json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            status, headers, text = reply.status, reply.headers, reply.read().decode()
    except urllib.error.HTTPError as e:
        status, headers, text = e.code, e.headers, e.read().decode()
    contract.hold(method, path, status, text)
    return status, headers, text


class Dashboard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = live.Server().__enter__()
        cls.url = cls.server.url

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def history(self, path, start, seconds, interval, **filters):
        body = {"history_start": start.isoformat(), "history_end": (start + datetime.timedelta(seconds=seconds)).isoformat(),
                "history_interval_seconds": interval, **filters}
        status, _, text = call(self.url, "POST", path, body)
        return status, json.loads(text)

    def test_history_counts_each_state_in_its_interval(self):
        tag = str(uuid.uuid4())
        flow = json.loads(call(self.url, "POST", "/flows/", {"name": tag})[2])["id"]
        for state in ("PENDING", "PENDING", "RUNNING"):
            status, _, text = call(self.url, "POST", "/flow_runs/", {"flow_id": flow, "tags": [tag], "state": {"type": state}})
            self.assertEqual(status, 201, text)
        start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=90)
        status, buckets = self.history("/flow_runs/history", start, 100, 60, flow_runs={"tags": {"all_": [tag]}})
        self.assertEqual((status, len(buckets)), (200, 2))
        self.assertEqual(buckets[0]["states"], [])
        self.assertEqual([(s["state_type"], s["state_name"], s["count_runs"]) for s in buckets[1]["states"]],
                         [("PENDING", "Pending", 2), ("RUNNING", "Running", 1)])
        self.assertEqual(buckets[0]["interval_end"], buckets[1]["interval_start"])

    def test_history_has_at_most_500_intervals_and_none_of_a_second_or_less(self):
        start = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
        for path in ("/flow_runs/history", "/task_runs/history"):
            self.assertEqual(len(self.history(path, start, 86400, 1)[1]), 500)
            self.assertEqual(self.history(path, start, -5, 1), (200, []))
            self.assertEqual(self.history(path, start, 60, 0.5), (422, {"detail": "History interval must not be less than 1 second."}))

    def test_a_file_is_shown_under_a_name_without_scripts(self):
        if self.server.foreign:
            self.skipTest("a route of ours")
        page = b"<h1>report</h1>"
        path = "/switchyard/files/" + hashlib.sha256(page).hexdigest()
        self.assertEqual(call(self.url, "PUT", path, raw=page)[0], 201)
        status, headers, text = call(self.url, "GET", path + "?name=report.html")
        self.assertEqual((status, text), (200, page.decode()))
        self.assertEqual(headers["Content-Type"], "text/html; charset=utf-8")
        self.assertTrue(headers["Content-Security-Policy"].startswith("sandbox; default-src 'none';"))
        self.assertEqual(call(self.url, "GET", path)[1]["Content-Type"], "application/octet-stream")
        self.assertEqual(call(self.url, "GET", path + "?name=../x.html")[0], 422)


if __name__ == "__main__":
    unittest.main(verbosity=2)
