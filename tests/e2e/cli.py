"""The program `switchyard` against a real server, as a user meets it: what it prints and its exit status."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import contract  # noqa: E402
import live  # noqa: E402

CLI = live.BUILD / "switchyard"
WAIT_S = 60
FLOW = """\
name: %s
description: measures nothing
parameters:
  model: {type: string, description: a model}
  target: {type: string, default: stm32f405}
  runs: {type: integer, default: 10}
devices:
  bench: {target: "{{ parameters.target }}"}
tasks:
  say: {uses: shell, with: {run: "echo {{ parameters.model }}"}}
"""
SCHEMA = {"type": "object", "properties": {"model": {"type": "string"}, "target": {"type": "string"},
                                           "runs": {"type": "integer"}}}


class Said:
    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr


class CliTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(live.Server())
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.flow = "cli-" + uuid.uuid4().hex[:8]
        cls.pool = cls.flow + "-pool"
        cls.name = cls.flow + "/default"
        cls.file = cls.folder / "flow.yaml"
        cls.file.write_text(FLOW % cls.flow)
        if cls.server.foreign:
            cls.make_deployment()
        else:
            made = cls.call("deploy", cls.file, "--pool", cls.pool)
            assert made.status == 0 and made.out.startswith("Created " + cls.name), made.out + made.err

    @classmethod
    def make_deployment(cls):
        cls.rest("POST", "/work_pools/", {"name": cls.pool, "type": "process"})
        flow = cls.rest("POST", "/flows/", {"name": cls.flow})
        cls.rest("POST", "/deployments/", {"name": "default", "flow_id": flow["id"], "work_pool_name": cls.pool,
                                           "parameter_openapi_schema": SCHEMA, "description": "measures nothing"})

    @classmethod
    def rest(cls, method, path, body=None):
        request = urllib.request.Request(cls.server.url + path, json.dumps(body).encode(),
                                         {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=30) as reply:
            text = reply.read()
            contract.hold(method, path, reply.status, text)
        return json.loads(text) if text else None

    @classmethod
    def environment(cls, **more):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "SWITCHYARD_"))}
        return {**kept, "SWITCHYARD_API_URL": cls.server.url, "TZ": "UTC", **more}

    @classmethod
    def call(cls, *words, stdin=None, **more):
        return Said(subprocess.run([CLI, *map(str, words)], env=cls.environment(**more), input=stdin,
                                   capture_output=True, text=True, timeout=WAIT_S))

    def good(self, *words, **more):
        said = self.call(*words, **more)
        self.assertEqual(said.status, 0, said.err)
        return said.out

    def refused(self, status, pattern, *words, **more):
        said = self.call(*words, **more)
        self.assertEqual(said.status, status, said.out + said.err)
        self.assertRegex(said.err, pattern)

    def runs(self, *words):
        return json.loads(self.good("run", self.name, "-o", "json", *words))

    def set_state(self, run, kind, **more):
        return self.rest("POST", f"/flow_runs/{run['id']}/set_state",
                         {"state": {"type": kind, **more}, "force": True})

    # --- looking around

    def test_help_without_a_server(self):
        said = self.call("--help", SWITCHYARD_API_URL="http://127.0.0.1:1")
        self.assertEqual(said.status, 0)
        self.assertLessEqual(max(map(len, said.out.splitlines())), 80)

    def test_start_is_quick(self):
        took = []
        for _ in range(20):
            began = time.perf_counter()
            subprocess.run([CLI, "--help"], stdout=subprocess.DEVNULL, check=True)
            took.append(time.perf_counter() - began)
        limit_s = 0.015 if live.BUILD.name in ("debug", "release") else 1
        self.assertLess(min(took), limit_s)

    def test_version(self):
        self.assertRegex(self.good("version"), r"switchyard \d+\.\d+\.\d+\nserver +http://.*speaks Prefect 3\.")

    def test_wrong_words(self):
        self.refused(2, "did you mean `flow-run`", "flow-rn", "ls")
        self.refused(2, "did you mean --watch", "run", "x/y", "--wacth")
        self.refused(3, "no deployment `no/such`", "run", "no/such")
        self.refused(3, "no run `nonesuch`", "flow-run", "logs", "nonesuch")
        self.refused(4, "cannot reach http://127.0.0.1:1/api.*server start", "-s", "127.0.0.1:1", "work-pool", "ls")

    def test_names_come_from_the_environment(self):
        out = self.good("version", SWITCHYARD_API_URL="", PREFECT_API_URL=self.server.url)
        self.assertIn(self.server.url, out)

    # --- deployments

    def test_deployment(self):
        row = next(line for line in self.good("deployment", "ls").splitlines() if self.name in line)
        self.assertIn(self.pool, row)
        out = self.good("deployment", "inspect", self.name)
        self.assertIn("measures nothing", out)
        self.assertIn('"model"', out)

    def test_deploy_checks_first(self):
        bad = self.folder / "bad.yaml"
        bad.write_text((FLOW % "x").replace("parameters.model", "parameters.modl"))
        self.refused(2, r"bad\.yaml:10:\d+: there is no parameter `modl`, did you mean `model`\?",
                     "deploy", self.file, bad, SWITCHYARD_API_URL="http://127.0.0.1:1")
        self.assertIn("is fine", self.good("deploy", "--check", self.file))
        bad.write_text((FLOW % "x").replace("uses: shell", "uses: shel").replace("measures nothing", "x"))
        self.refused(2, r"bad\.yaml:\d+:\d+: there is no step `shel`, did you mean `shell`\?", "deploy", "--check", bad)
        self.refused(2, "cannot be read|No such file", "deploy", self.folder / "none.yaml")

    def test_flows_that_are_shown_to_users(self):
        readme = (live.ROOT / "README.md").read_text()
        shown = self.folder / "readme.yaml"
        shown.write_text(re.sub("^    ", "", re.search(r"(?m)^    name: (?:.*\n)+?\n", readme)[0], flags=re.M))
        examples = sorted((live.ROOT / "deploy").glob("demo/*.yaml"))
        self.good("deploy", "--check", shown, *examples)
        for path in (shown, *examples):
            done = subprocess.run([live.BUILD / "switchyard-worker", "flow", "check", path], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_deploy_again(self):
        if self.server.foreign:
            self.skipTest("needs our server")
        self.assertIn("Updated " + self.name, self.good("deploy", self.file, "--pool", self.pool))
        deployment = json.loads(self.good("deployment", "inspect", self.name, "-o", "json"))
        job = deployment["job_variables"]
        self.assertRegex(job["native_flow"], "^sha256:[0-9a-f]{64}$")
        self.assertEqual(job["bench"], {"target": "{{ parameters.target }}"})
        self.assertEqual(deployment["parameter_openapi_schema"]["required"], ["model"])
        saved = self.folder / "saved.yaml"
        self.good("file", "get", job["native_flow"], saved)
        self.assertEqual(saved.read_text(), self.file.read_text())

    # --- runs

    def test_campaign_creates_nothing_twice(self):
        campaign = "c-" + uuid.uuid4().hex[:8]
        words = ["-c", campaign, "-m", "model=models/ad01.tflite,b", "-m", "target=x,y", "-p", "runs=3"]
        said = self.call("run", self.name, *words)
        self.assertIn(f"4 runs created; campaign {campaign}", said.err)
        self.assertNotIn("\033", said.out)
        again = self.call("run", self.name, *words[6:], *words[:6])
        self.assertIn("0 runs created, 4 there already", again.err)
        rows = json.loads(self.good("flow-run", "ls", "--campaign", campaign, "-o", "json"))
        self.assertEqual(sorted(r["name"] for r in rows), ["ad01-x", "ad01-y", "b-x", "b-y"])
        self.assertEqual({r["parameters"]["runs"] for r in rows}, {3})

        self.set_state(rows[0], "FAILED")
        retried = self.call("run", self.name, "--retry-failed", *words)
        self.assertIn("3 there already, 1 started again", retried.err)
        more = self.call("run", self.name, "-c", campaign, "-m", "model=b,c", "-m", "target=x,y", "-p", "runs=3")
        self.assertIn("2 runs created, 2 there already", more.err)

    def test_two_plain_runs_are_two(self):
        first, second = self.runs("-p", "model=a"), self.runs("-p", "model=a")
        self.assertNotEqual(first[0]["id"], second[0]["id"])

    def test_bad_parameters(self):
        self.refused(2, "has no parameter `modl`: did you mean `model`", "run", self.name, "-p", "modl=x")
        self.refused(2, "expected KEY=VALUE", "run", self.name, "-p", "model")
        self.refused(7, "runs", "run", self.name, "-p", "model=x", "-p", "runs=many")

    def test_run_by_name_and_prefix(self):
        name = "named-" + uuid.uuid4().hex[:8]
        run = self.runs("-p", "model=a", "-n", name)[0]
        self.assertIn(run["id"], self.good("flow-run", "inspect", name))
        self.assertIn(name, self.good("flow-run", "inspect", run["id"][:18]))

    def test_cancel_and_retry(self):
        run = self.runs("-p", "model=a")[0]
        self.good("flow-run", "cancel", run["id"])
        cancelled = json.loads(self.good("flow-run", "inspect", run["id"], "-o", "json"))
        self.assertIn(cancelled["state_type"], ("CANCELLED", "CANCELLING"))
        self.set_state(run, "FAILED")
        self.good("flow-run", "retry", run["name"])
        again = json.loads(self.good("flow-run", "inspect", run["id"], "-o", "json"))
        self.assertEqual(again["state_name"], "AwaitingRetry")
        listed = json.loads(self.good("flow-run", "ls", "--state", "scheduled", "-n", "200", "-o", "json"))
        self.assertIn(run["id"], [r["id"] for r in listed])
        self.good("flow-run", "delete", run["id"])
        self.refused(3, "no flow run with the id", "flow-run", "inspect", run["id"])

    def test_logs(self):
        run = self.runs("-p", "model=a")[0]
        rows = [{"name": "test", "level": level, "message": text, "flow_run_id": run["id"],
                 "timestamp": f"2026-01-01T00:00:{i:02}Z"}
                for i, (level, text) in enumerate([(10, "deep"), (20, "two\nlines"), (40, "bad \033[2J end")])]
        self.rest("POST", "/logs/", rows)
        deadline = time.monotonic() + 10
        while (out := self.good("flow-run", "logs", run["id"])).count("\n") < 4 and time.monotonic() < deadline:
            pass
        self.assertEqual(out, "2026-01-01 00:00:00.000 DEBUG deep\n"
                              "2026-01-01 00:00:01.000 INFO  two\n" + " " * 30 + "lines\n"
                              "2026-01-01 00:00:02.000 ERROR bad  [2J end\n")
        self.assertEqual(self.good("flow-run", "logs", run["id"], "--level", "error").count("\n"), 1)
        self.refused(2, "expected debug, info", "flow-run", "logs", run["id"], "--level", "loud")

    def test_follow_logs_until_the_end(self):
        run = self.runs("-p", "model=a")[0]
        follower = subprocess.Popen([CLI, "flow-run", "logs", "-f", run["id"]], env=self.environment(),
                                    stdout=subprocess.PIPE, text=True)
        self.rest("POST", "/logs/", [{"name": "t", "level": 20, "message": "hello", "flow_run_id": run["id"],
                                      "timestamp": "2026-01-01T00:00:00Z"}])
        self.assertIn("hello", follower.stdout.readline())
        self.set_state(run, "COMPLETED")
        out, _ = follower.communicate(timeout=WAIT_S)
        self.assertEqual((follower.returncode, out), (0, ""))

    # --- following

    def watch(self, act, *words):
        """Starts `run --watch`, acts on its run once it is seen, gives what the command said."""
        tag = "watch-" + uuid.uuid4().hex[:8]
        watcher = subprocess.Popen([CLI, "run", self.name, "-p", "model=a", "-t", tag, "--watch", *words],
                                   env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in watcher.stderr:
            if re.search(r"  (Scheduled|Late)$", line):
                break
        found = self.rest("POST", "/flow_runs/filter", {"flow_runs": {"tags": {"all_": [tag]}}})
        act(found[0], watcher)
        out, err = watcher.communicate(timeout=WAIT_S)
        return watcher.returncode, out, err

    def test_watch_a_run_that_completes(self):
        status, out, err = self.watch(lambda run, _: self.set_state(run, "COMPLETED"))
        self.assertEqual(status, 0, err)
        self.assertRegex(err, r"Completed in .* \(1 of 1\)")
        self.assertIn("Completed", out)

    def test_watch_a_run_that_fails(self):
        status, _, err = self.watch(lambda run, _: self.set_state(run, "FAILED", message="no answer\033[2J"))
        self.assertEqual(status, 5)
        self.assertRegex(err, r"Failed in .*: no answer \[2J")

    def test_watch_interrupted(self):
        status, _, err = self.watch(lambda _, watcher: watcher.send_signal(signal.SIGINT))
        self.assertEqual(status, 130)
        self.assertIn("The runs go on", err)

    def test_watch_with_time_out(self):
        said = self.call("run", self.name, "-p", "model=a", "--timeout", "1")
        self.assertEqual(said.status, 8, said.err)

    def test_watch_outlives_the_server(self):
        if self.server.foreign:
            self.skipTest("needs our server")

        def act(run, watcher):
            self.server.kill()
            for line in watcher.stderr:
                if "does not answer; waiting for it" in line:
                    break
            self.server.start()
            self.set_state(run, "COMPLETED")

        status, _, err = self.watch(act)
        self.assertEqual(status, 0, err)

    def test_progress_on_a_terminal(self):
        import pty
        main, side = pty.openpty()
        run = self.runs("-p", "model=a")[0]
        watcher = subprocess.Popen([CLI, "flow-run", "watch", run["id"]], env=self.environment(TERM="xterm", COLUMNS="80"),
                                   stdout=side, stderr=side)
        os.close(side)
        seen, done = b"", threading.Event()
        while True:
            try:
                piece = os.read(main, 4096)
            except OSError:
                break
            seen += piece
            if b"0/1" in seen and not done.is_set():
                done.set()
                self.set_state(run, "COMPLETED")
        os.close(main)
        self.assertEqual(watcher.wait(WAIT_S), 0)
        self.assertIn("█".encode(), seen)
        self.assertIn(b"1/1", seen)
        self.assertIn(run["name"].encode(), seen)

    # --- the rest

    def test_work_pool(self):
        name = "pool-" + uuid.uuid4().hex[:8]
        kind = ["--type", "process"]
        self.assertIn("worker start --pool " + name, self.good("work-pool", "create", name, "--limit", "2", *kind))
        self.refused(7, "already exists", "work-pool", "create", name, *kind)
        self.good("work-pool", "pause", name)
        pool = json.loads(self.good("work-pool", "inspect", name, "-o", "json"))
        self.assertEqual((pool["is_paused"], pool["concurrency_limit"]), (True, 2))
        self.good("work-pool", "resume", name)
        self.good("work-pool", "delete", name)
        self.refused(3, "no work pool", "work-pool", "inspect", name)

    def test_variable(self):
        name = "v_" + uuid.uuid4().hex[:8]
        self.good("variable", "set", name, '{"a": [1, 2]}', "-t", "lab")
        self.assertEqual(json.loads(self.good("variable", "get", name)), {"a": [1, 2]})
        self.good("variable", "set", name, "plain text")
        self.assertEqual(self.good("variable", "get", name), "plain text\n")
        self.assertIn(name, self.good("variable", "ls"))
        self.good("variable", "unset", name)
        self.refused(3, "no variable", "variable", "get", name)

    def test_block_hides_its_secret(self):
        name = "secret/s-" + uuid.uuid4().hex[:8]
        self.assertIn("secret", self.good("block", "types"))
        self.good("block", "create", name, "--file", "-", stdin='{"value": "hush-hush"}')
        self.assertIn(name, self.good("block", "ls"))
        self.assertNotIn("hush-hush", self.good("block", "inspect", name))
        self.refused(7, "already exists", "block", "create", name, "--set", "value=x")
        self.good("block", "delete", name)
        self.refused(3, "no block type `nonesuch`", "block", "create", "nonesuch/x")

    def test_files(self):
        if self.server.foreign:
            self.skipTest("needs our server")
        source, copy = self.folder / "model.bin", self.folder / "copy.bin"
        source.write_bytes(os.urandom(300_000))
        self.assertRegex(self.good("file", "put", source), "^sha256:[0-9a-f]{64}  model.bin\n$")
        self.good("file", "get", "model.bin", copy)
        self.assertEqual(source.read_bytes(), copy.read_bytes())
        self.refused(3, "no file `nonesuch`", "file", "get", "nonesuch")

    def test_devices(self):
        if self.server.foreign:
            self.skipTest("needs our server")
        self.assertEqual(json.loads(self.good("device", "ls", "-o", "json")), [])

    def test_completion(self):
        self.assertIn("mapfile", self.good("completion", "bash"))
        self.assertEqual(self.good("__complete", "--", "flow-r"), "flow-run\n")
        self.assertIn(self.name + "\n", self.good("__complete", "--", "run", self.flow[:6]))
        self.assertEqual(self.good("__complete", "--", "run", self.name, "--mat"), "--matrix\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
