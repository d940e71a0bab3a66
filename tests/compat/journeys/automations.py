"""Automations: every kind of trigger fires when it should and not before; the CLI shows, pauses and deletes them."""
import json

from prefect.automations import Automation
from prefect.events import emit_event
from prefect.events.actions import DoNothing
from prefect.events.schemas.automations import CompoundTrigger, EventTrigger, Posture, SequenceTrigger
from tool import *

A, B, C = (f"bench.{TAG}.{letter}" for letter in "abc")


def emit(name, who="1"):
    emit_event(name, resource={"prefect.resource.id": f"bench.board.{TAG}.{who}", "board": who}).id


def on(name, **more):
    return EventTrigger(expect={name}, posture=Posture.Reactive, **{"threshold": 1, "within": 0, **more})


def make(name, trigger):
    made = Automation(name=unique(name), trigger=trigger, actions=[DoNothing()]).create()
    return str(made.id)


def firings(automation_id, event="prefect.automation.action.executed"):
    body = {"filter": {"event": {"name": [event]}, "any_resource": {"id": ["prefect.automation." + automation_id]}}}
    return api.post("/events/filter", body)["events"]


def fired(automation_id, count, seconds=120):
    return until(lambda: firings(automation_id), lambda found: len(found) == count, seconds)


if __name__ == "__main__":
    one = make("one", on(A))
    three = make("three", on(B, threshold=3, within=60))
    each = make("each", on(B, threshold=2, within=60, for_each={"board"}))
    after = make("after", on(C, after={A}, within=60))
    both = make("both", CompoundTrigger(require="all", within=60, triggers=[on(A), on(B)]))
    order = make("order", SequenceTrigger(within=60, triggers=[on(B), on(C)]))
    silent = make("silent", EventTrigger(expect={C}, after={B}, posture=Posture.Proactive, threshold=1, within=10, for_each={"board"}))
    emit(C)  # before anything
    emit(A)
    fired(one, 1)
    emit(B)
    emit(B)
    fired(each, 1)
    fired(both, 1)
    assert firings(three) == [] and firings(after) == [] and firings(order) == [], "too early"
    emit(B, "2")
    fired(three, 1)
    emit(C)
    fired(after, 1)
    fired(order, 1)
    fired(silent, 1, 300)  # board 2 stays silent
    told = firings(silent, "prefect.automation.triggered")[0]
    assert told["payload"]["triggering_labels"] == {"board": "2"}, told["payload"]
    assert [len(firings(which)) for which in (one, each, both, three)] == [1] * 4
    evidence = firings(one, "prefect.automation.triggered")[0]
    assert evidence["payload"]["triggering_event"]["event"] == A

    has(cli("automation", "ls"), unique("one"), unique("order"))
    has(cli("automation", "inspect", unique("both")), unique("both"))
    cli("automation", "pause", unique("one"))
    assert Automation.read(name=unique("one")).enabled is False
    emit(A)
    cli("automation", "resume", unique("one"))
    time.sleep(1)
    emit(A)
    fired(one, 2)
    cli("automation", "delete", unique("three"))
    assert unique("three") not in cli("automation", "ls")
    if VERSION >= (3, 5):
        text = {"name": unique("file"), "trigger": {"type": "event", "posture": "Reactive", "expect": [A], "threshold": 1, "within": 0},
                "actions": [{"type": "do-nothing"}]}
        cli("automation", "create", "--from-json", json.dumps(text))
        assert Automation.read(name=unique("file")).enabled is True
