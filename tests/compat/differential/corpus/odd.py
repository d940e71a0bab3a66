"""What hardly anybody sends: times in every form of ISO 8601, numbers at the ends of their ranges, keys that are empty."""
from rows import get, patch, post

TIMES = ("2024-W01-1", "2024-W01", "2024W011", "2024-W53-1", "2020-W53-7", "2024-W00-1", "2024-W01-8", "2024-W01-0", "2024-001", "2024-366", "2023-366", "2024-000", "2024001",
         "2024-01", "2024", "20240101", "2024-01-01T10", "2024-01-01T1030", "20240101T10", "20240101T1010", "20240101T101010Z", "20240101T101010.5Z", "2024-W01-1T10:00:00Z",
         "2024-001T10:00", "2024W011T10", "2024-01-01T10Z", "2024-01-01T10:00+02", "2024-01-01T10:00:00-0330", "2024-01-01 10", "2024/01/01", "01/02/2024", "now", "Now", "today",
         "2024-01-01T10:00:00.", "2024-01-01T10:00:00,123", "2024-1-1", "2024-02-30", "P1D", "2024-01-01T", "2024-01-01T24:00:00Z", "2024-01-01T10:00:60Z",
         "2024-01-01T10:00:00.1234567Z", " 2024-01-01", "2024-01-01T10:00:00 Z", "1704067200", "1704067200000", "1e3", "")
NUMBERS = (2**31, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**30)
SECRETS = {"title": "Odd", "type": "object", "properties": {"a": {"type": "string"}, "s": {"type": "string"}, "d": {"type": "object"}},
           "secret_fields": ["s", "d.*"], "block_type_slug": "od", "block_schema_references": {}}


def scheduled(when):
    return {"flow_id": "<od_flow>", "name": "od", "state": {"type": "SCHEDULED", "state_details": {"scheduled_time": when}}}


rows = [
    post("flow", "/flows/", {"name": "od"}, od_flow="id"),
    *[post(f"time {when!r}", "/flow_runs/", scheduled(when), vary=("estimated_start_time_delta",)) for when in TIMES],
    *[post(f"filter time {when!r}", "/flow_runs/filter", {"flow_runs": {"start_time": {"after_": when}}, "limit": 0}) for when in TIMES],
    *[post(f"limit {number}", "/flows/filter", {"limit": number}) for number in NUMBERS],
    *[post(f"offset {number}", "/flows/filter", {"offset": number, "limit": 0}) for number in NUMBERS],
    *[post(f"{n} without a key", "/flow_runs/", {"flow_id": "<od_flow>", "name": "od", "idempotency_key": ""}) for n in range(2)],
    post("deployment", "/deployments/", {"name": "od", "flow_id": "<od_flow>", "schedules": [{"schedule": {"interval": 3600, "anchor_date": "2024-01-01T00:00:00Z"}}]}, od_dep="id"),
    post("deployment's run without a key", "/deployments/<od_dep>/create_flow_run", {"idempotency_key": ""}),
    post("schedule", "/deployments/<od_dep>/schedule", {"min_runs": 1}),
    post("scheduled run", "/flow_runs/filter", {"deployments": {"id": {"any_": ["<od_dep>"]}}, "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
                                                "sort": "EXPECTED_START_TIME_ASC", "limit": 1}, vary=("idempotency_key", "expected_start_time", "next_scheduled_start_time",
                                                                                                    "scheduled_time", "estimated_start_time_delta")),
    post("flow of many states", "/flows/", {"name": "od-states"}, od_states="id"),
    *[post(f"run {kind} {name}", "/flow_runs/", {"flow_id": "<od_states>", "name": "od", "state": {"type": kind, "name": name}})
      for kind, name in (("FAILED", "Failed"), ("SCHEDULED", "Scheduled"), ("SCHEDULED", "Late"), ("COMPLETED", "Completed"), ("CANCELLING", "Cancelling"), ("PENDING", "Pending"))],
    post("history of many states", "/flow_runs/history", {"flows": {"id": {"any_": ["<od_states>"]}}, "history_start": "<now-43200>", "history_end": "<now+43200>",
                                                         "history_interval_seconds": 86400}),
    *[post(f"count {by} in too many", f"/events/count-by/{by}", {"filter": {"occurred": {"since": "2024-01-01T00:00:00Z", "until": "2024-01-02T00:00:00Z"}},
                                                               "time_unit": "second", "time_interval": 30}) for by in ("time", "event", "resource")],
    post("block type", "/block_types/", {"name": "Od", "slug": "od"}, od_type="id"),
    post("block schema", "/block_schemas/", {"block_type_id": "<od_type>", "fields": SECRETS}, od_schema="id"),
    post("block", "/block_documents/", {"name": "od", "block_type_id": "<od_type>", "block_schema_id": "<od_schema>",
                                        "data": {"a": "told", "s": "hidden", "d": {"k": "hidden"}, "n": 1, "l": ["x"]}}, od_block="id"),
    patch("block changed", "/block_documents/<od_block>", {"data": {"s": "other", "a": "more"}}),
    post("block events", "/events/filter", {"filter": {"resource": {"id": ["prefect.block-document.<od_block>"]}}}, wait=True),
    post("pool", "/work_pools/", {"name": "od", "type": "process"}, od_pool="id"),
    *[patch(f"{n} pool paused: {paused}", "/work_pools/od", {"is_paused": paused}) for n, paused in enumerate((False, True, True, False))],
    post("pool events", "/events/filter", {"filter": {"resource": {"id": ["prefect.work-pool.<od_pool>"]}}}, wait=True),
    get("block read", "/block_documents/<od_block>"),
]
