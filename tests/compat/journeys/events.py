"""Events: emitted by hand and by runs, streamed by `prefect event stream`, read back in pages."""
import asyncio

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.events import emit_event, get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.runtime import flow_run as here
from tool import *

NAME = f"bench.{TAG}.measured"


@flow
def measured():
    emit_event(NAME, resource={"prefect.resource.id": "bench.meter." + TAG, "prefect.resource.name": "meter"},
               payload={"energy_j": 0.25, "größe": "✓"})
    return str(here.id)


async def hears(count, emits):
    """The events that a subscriber gets, also those of before it came."""
    found = []
    async with get_events_subscriber(filter=EventFilter(event=EventNameFilter(prefix=[f"bench.{TAG}"]))) as events:
        emitter = asyncio.create_task(asyncio.to_thread(lambda: [emit_event(NAME, resource={"prefect.resource.id": f"x.{n}"})
                                                                 for n in range(emits)]))
        async for event in events:
            found.append(event)
            if len(found) == count:
                break
        await emitter
    return found


if __name__ == "__main__":
    with Background(PREFECT, "event", "stream", "--format", "json") as stream:
        stream.wait_for("Subscribing")
        until(lambda: (emit_event(NAME + ".probe", resource={"prefect.resource.id": "probe"}), stream.said())[1],
              lambda said: NAME + ".probe" in said, 300)
        run_id = measured()
        stream.wait_for(f'"{NAME}"').wait_for("prefect.flow-run.Completed")
        has(stream.said(), run_id, "0.25", "prefect.flow-run.Running")
    earlier = len(api.post("/events/filter", {"filter": {"event": {"prefix": [f"bench.{TAG}"]}}})["events"])
    found = [event for event in asyncio.run(asyncio.wait_for(hears(earlier + 4, 4), 300)) if str(event.resource.id).startswith("x.")]
    ids = {str(event.id) for event in found}
    assert len(ids) == 4
    again = asyncio.run(asyncio.wait_for(hears(earlier + 4, 0), 300))
    assert ids <= {str(event.id) for event in again}
    body = {"filter": {"event": {"name": [NAME]}}, "limit": 2}
    page = until(lambda: api.post("/events/filter", body), lambda p: p["total"] >= 5)
    everything = list(page["events"])
    while page["next_page"]:
        page = api.get(page["next_page"].split("/api", 1)[1])
        everything += page["events"]
    listed = [event["id"] for event in everything]
    assert len(listed) == len(set(listed)) == 5 and ids < set(listed), (ids, listed)
    mine = [e for e in everything if e["payload"].get("energy_j") == 0.25]
    assert len(mine) == 1 and mine[0]["payload"]["größe"] == "✓"
    related = {r["prefect.resource.id"]: r["prefect.resource.role"] for r in mine[0]["related"]}
    assert related["prefect.flow-run." + run_id] == "flow-run", related
    body = {"filter": {"any_resource": {"id": ["prefect.flow-run." + run_id]}, "event": {"prefix": ["prefect.flow-run."]}}}
    names = until(lambda: [e["event"].rsplit(".")[-1] for e in api.post("/events/filter", body)["events"]], lambda n: "Completed" in n)
    assert [n for n in reversed(names) if n != "heartbeat"] == ["Pending", "Running", "Completed"], names
