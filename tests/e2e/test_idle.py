#!/usr/bin/env python3
"""Two servers that have nothing to do ask their database for next to nothing: services sleep until something is due."""
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from test_agent import call  # noqa: E402
from test_services import Database, Replica  # noqa: E402

IDLE_S, SETTLE_S, MOST = 60, 15, 150


class IdleTest(unittest.TestCase):
    def setUp(self):
        self.database = Database()
        self.addCleanup(self.database.stop)
        self.servers = [Replica(self.database) for _ in range(2)]
        for server in self.servers:
            self.addCleanup(server.stop)

    def transactions(self):
        """How many the servers have ended; ours and those of PostgreSQL itself stand apart."""
        query = ("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()")
        time.sleep(1.5)  # what a session did is counted when it has been idle for a second
        return int(subprocess.run(["psql", "-AtX", "-c", query, self.database.url], capture_output=True, text=True,
                                  check=True).stdout)

    def test_a_minute_costs_a_few_statements(self):
        url = self.servers[0].url
        flow = call(url, "POST", "/flows/", {"name": "f"})[1]["id"]
        status, made = call(url, "POST", "/deployments/", {"name": "d", "flow_id": flow,
                                                           "schedules": [{"schedule": {"cron": "0 4 1 1 *"}}]})
        self.assertEqual(status, 201, made)  # something that is due, but not now
        call(url, "POST", "/automations/", {"name": "a", "trigger": {
            "type": "event", "posture": "Reactive", "expect": ["never"], "threshold": 1, "within": 0},
            "actions": [{"type": "do-nothing"}]})
        time.sleep(SETTLE_S)
        before, began = self.transactions(), time.monotonic()
        time.sleep(IDLE_S)
        count, took_s = self.transactions() - before, time.monotonic() - began
        print(f"{count} transactions of two idle servers in {took_s:.0f} s")
        self.assertLess(count * 60 / took_s, MOST)


if __name__ == "__main__":
    unittest.main()
