"""Automations made, shown, switched and deleted with Prefect's own SDK and command line, and fired by the SDK's events.

python test_automations.py: starts our server, or uses the one at TEST_API_URL."""
import json
import pathlib
import sys
import time
import unittest
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import live  # noqa: E402
import wire  # noqa: E402
from test_sdk import run_prefect  # noqa: E402

MAKE = """
import json, sys
from datetime import timedelta
from uuid import UUID
from prefect.automations import Automation
from prefect.events import emit_event
from prefect.events.actions import DoNothing, RunDeployment
from prefect.events.schemas.automations import CompoundTrigger, EventTrigger, Posture, SequenceTrigger

name, deployment = sys.argv[1], UUID(sys.argv[2])
reactive = lambda *expect, **more: EventTrigger(expect=set(expect), posture=Posture.Reactive, threshold=1, **more)
triggers = {
    "event": reactive(name + ".go", match={"prefect.resource.id": "lab.*"}),
    "proactive": EventTrigger(after={name + ".go"}, expect={name + ".never"}, for_each={"prefect.resource.id"},
                              posture=Posture.Proactive, threshold=1, within=timedelta(seconds=10)),
    "compound": CompoundTrigger(require="all", within=timedelta(seconds=60), triggers=[reactive(name + ".go"), reactive(name + ".then")]),
    "sequence": SequenceTrigger(within=timedelta(seconds=60), triggers=[reactive(name + ".go"), reactive(name + ".then")]),
}
ids = {}
for kind, trigger in triggers.items():
    run = RunDeployment(source="selected", deployment_id=deployment, parameters={"kind": kind, "who": "{{ event.resource.id }}"})
    made = Automation(name=f"{name}-{kind}", trigger=trigger, actions=[run], tags=["compat"]).create()
    read = Automation.read(id=made.id)
    assert read.trigger.type == trigger.type and read.actions == [run], read
    ids[kind] = str(made.id)
for what in ("go", "then"):
    emit_event(event=f"{name}.{what}", resource={"prefect.resource.id": "lab.bench"})
print(json.dumps(ids))
"""


class AutomationsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(live.Server())
        cls.api = wire.Api(cls.server.url)
        cls.name = "compat-" + uuid.uuid4().hex[:8]
        flow = cls.api.post("/flows/", {"name": cls.name})
        cls.deployment = cls.api.post("/deployments/", {"name": "d", "flow_id": flow["id"], "enforce_parameter_schema": False})["id"]
        out, _ = run_prefect(cls.server, sys.executable, "-c", MAKE, cls.name, cls.deployment)
        cls.ids = json.loads(out.splitlines()[-1])

    def prefect(self, *words):
        out, _ = run_prefect(self.server, sys.executable, "-m", "prefect", *words)
        return out

    def test_each_kind_of_trigger_runs_the_deployment(self):
        deadline, runs = time.monotonic() + 40, []
        while time.monotonic() < deadline and len(runs) < 4:
            runs = self.api.post("/flow_runs/filter", {"deployments": {"id": {"any_": [self.deployment]}}})
            time.sleep(0.2)
        made = sorted((run["parameters"]["kind"], run["created_by"]["display_value"]) for run in runs)
        self.assertEqual(made, [(kind, f"{self.name}-{kind}") for kind in sorted(self.ids)])
        self.assertEqual({run["parameters"]["who"] for run in runs}, {"lab.bench"})

    def test_the_command_line_shows_and_switches_them(self):
        name = f"{self.name}-event"
        self.assertIn(self.name, self.prefect("automation", "ls"))
        self.assertIn(self.ids["event"], self.prefect("automation", "inspect", name))
        self.prefect("automation", "pause", name)
        self.assertFalse(self.api.get("/automations/" + self.ids["event"])["enabled"])
        self.prefect("automation", "resume", "--id", self.ids["event"])
        self.assertTrue(self.api.get("/automations/" + self.ids["event"])["enabled"])

    def test_z_the_command_line_deletes_them(self):
        self.prefect("--no-prompt", "automation", "delete", f"{self.name}-event")
        left = self.api.post("/automations/filter", {"automations": {"name": {"any_": [f"{self.name}-event"]}}})
        self.assertEqual(left, [])


if __name__ == "__main__":
    unittest.main()
