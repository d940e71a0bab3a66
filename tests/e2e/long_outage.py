#!/usr/bin/env python3
"""The network between an agent and the server goes silent: what happens to its runs (docs/agent-protocol.md, heartbeat)."""
import socket
import sys
import pathlib
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import live  # noqa: E402
import test_agent as base  # noqa: E402

GRACE_S = 60  # CLAIM_GRACE_S
FLOW = """
name: outage
tasks:
  work: {uses: shell, with: {run: "echo start >> %s; for i in 1 2 3 4 5; do sleep %s; echo line $i; done"}}
"""
LINES = ["line %d" % i for i in range(1, 6)]


class Network:
    """A way to the server that can go silent: no byte passes, no connection ends."""

    def __init__(self, host, port):
        self.to, self.up = (host, port), threading.Event()
        self.up.set()
        self.pairs = []
        self.door = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d/api" % self.door.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                one, _ = self.door.accept()
            except OSError:
                return
            self.up.wait()
            other = socket.create_connection(self.to)
            self.pairs.append((one, other))
            for source, sink in ((one, other), (other, one)):
                threading.Thread(target=self.carry, args=(source, sink), daemon=True).start()

    def carry(self, source, sink):
        try:
            while piece := source.recv(65536):
                self.up.wait()
                sink.sendall(piece)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.up.clear()

    def mend(self):
        """What was on its way is gone: the connections of before are dead."""
        for pair in self.pairs:
            for end in pair:
                end.close()
        self.pairs = []
        self.up.set()

    def close(self):
        self.door.close()
        self.mend()


class OutageTest(base.AgentTest):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = live.Server(*cls.options).__enter__()
        cls.direct = cls.server.url

    def agent_behind(self, network, **more):
        self.server.url = network.url
        agent = base.Agent(self, **more)
        self.server.url = self.direct
        return agent

    def network(self):
        host, port = self.server.address.split(":")
        network = Network(host, int(port))
        self.addCleanup(network.close)
        return network

    def lines(self, run):
        return [m for m in self.messages(run) if m in LINES]

    def begin(self, agent, mark, pause_s):
        run = self.start(self.deploy_native(agent.pool, FLOW % (mark, pause_s)), agent.pool)
        self.wait("its start", lambda: mark.exists() and self.state(run)["type"] == "RUNNING")
        return run


class Short(OutageTest):
    options = ("--outage", "45")

    def outlives(self, pause_s, cut_s):
        network = self.network()
        agent = self.agent_behind(network)
        mark = agent.folder / "starts"
        run = self.begin(agent, mark, pause_s)
        rival = base.Agent(self, pool=agent.pool)  # would take the run at once
        network.cut()
        time.sleep(cut_s)
        self.assertEqual(self.state(run)["type"], "RUNNING")
        network.mend()
        self.assertEqual(self.await_state(run, *base.FINAL)["type"], "COMPLETED")
        self.wait("the log", lambda: self.lines(run) == LINES)
        self.assertEqual(self.states(run), ["SCHEDULED", "PENDING", "RUNNING", "COMPLETED"])
        self.assertEqual(mark.read_text(), "start\n")
        self.assertIsNone(rival.process.poll())

    def test_a_run_that_ends_in_the_outage_is_delivered(self):
        self.outlives(pause_s=1, cut_s=45)

    def test_a_run_that_lasts_longer_goes_on(self):
        self.outlives(pause_s=12, cut_s=45)


class Long(OutageTest):
    options = ("--outage", "0")

    def test_the_run_has_the_result_of_its_new_attempt_only(self):
        network = self.network()
        cut_off = self.agent_behind(network)
        mark = cut_off.folder / "starts"
        run = self.begin(cut_off, mark, 2)  # over long before the network is back
        network.cut()
        heir = base.Agent(self, pool=cut_off.pool)
        base.WAIT_S = GRACE_S + 40
        self.wait("the second attempt", lambda: mark.read_text() == "start\nstart\n")
        network.mend()
        self.assertEqual(self.await_state(run, *base.FINAL)["type"], "COMPLETED")
        self.wait("the refusal", lambda: "REFUSED" in (cut_off.folder / "log").read_text())
        self.wait("the log", lambda: self.lines(run)[-5:] == LINES)
        self.assertEqual(self.states(run), ["SCHEDULED", "PENDING", "RUNNING", "CRASHED", "SCHEDULED", "PENDING", "RUNNING",
                                            "COMPLETED"])
        self.assertEqual(mark.read_text(), "start\nstart\n")
        self.assertIsNone(heir.process.poll())


if __name__ == "__main__":
    unittest.main(defaultTest=("Short", "Long"))
