"""Forms of values that no schema tells: sizes as they are measured, repeated query parameters, escapes in paths,
identifiers and durations in all spellings, the order of what was made together."""
from rows import NOBODY, delete, get, patch, post

ID = "00000000-0000-4000-8000-0000000000ab"
IDS = (ID.upper(), ID.replace("-", ""), f"urn:uuid:{ID}", f"{{{ID}}}", ID[:-1], ID + "c", f" {ID}", "", 5, True, None, [], {}, "0" * 32, "g" * 32)
INTERVALS = ("1:00:00", "01:00:00", "00:00:01.5", "1:00", "PT1H", "P1D", "1 day, 1:00:00", "2 days", 0, -5, 0.5, "90", "1:2", ":", "x")
BOOLEANS = ("true", "True", "t", "yes", "on", "1", "0", "off", "n", "2", "", "null", "tRuE")
JSON = ("", "  ", "null", "true", "1", '"x"', "[]", "{}", '{"limit":0', '{"limit":0}}', "{limit:0}", '{"limit":00}', '{"limit":1e0}', '{"limit":0.0}',
        '{"limit":-0}', '{"limit":0,"limit":1}', '{"a":"\\u0000","limit":0}', '{"limit":0,/*c*/"x":1}', "[1,]", '{"a":"\t","limit":0}', '{"a":"\\x","limit":0}')
TYPES = ("application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json", "text/json", "application/x-www-form-urlencoded", "")


def variable(what, value):
    return post(f"variable of {what}", "/variables/", {"name": "fo-big", "value": value}, vary=("value", "input")), delete("variable gone", "/variables/name/fo-big")


def parameters(what, value):
    return post(f"parameters of {what}", "/flow_runs/", {"flow_id": "<fo_flow>", "name": "fo", "parameters": {"x": value}}, vary=("x", "input"))


rows = [
    post("flow", "/flows/", {"name": "fo"}, fo_flow="id"),
    post("run", "/flow_runs/", {"flow_id": "<fo_flow>", "name": "fo-run"}, fo_run="id"),
    # sizes
    *variable("4998", "x" * 4998), *variable("4999", "x" * 4999), *variable("2499 umlauts", "ü" * 2499), *variable("2500 umlauts", "ü" * 2500),
    *variable("1000 items", ["x"] * 1000), *variable("1250 items", ["x"] * 1250),
    parameters("the most", "x" * (524288 - 8)), parameters("one more", "x" * (524288 - 7)), parameters("87380 umlauts", "ü" * 87380), parameters("87381 umlauts", "ü" * 87381),
    # the address
    get("zero byte behind an id", "/flow_runs/<fo_run>%00"),
    get("zero byte in a name", "/flows/name/fo%00"),
    get("query twice, last bad", f"/flow_run_states/?flow_run_id={ID}&flow_run_id=zz"),
    get("query twice, first bad", f"/flow_run_states/?flow_run_id=zz&flow_run_id={ID}"),
    get("query number twice", "/observed-states?limit=zz&limit=1&query=no-such-state"),
    *[get(f"id {i} in the path", f"/flow_runs/{v}") for i, v in enumerate((ID.upper(), ID.replace("-", ""), f"urn:uuid:{ID}", ID[:-1], ID + "c", f"%20{ID}"))],
    *[post(f"id {i} in the body", "/flow_runs/count", {"flow_runs": {"id": {"any_": [v]}}}) for i, v in enumerate(IDS)],
    *[get(f"flag {v!r}", f"/block_documents/{NOBODY}?include_secrets={v}") for v in BOOLEANS],
    # the body
    *[post(f"body {i}", "/flows/filter", raw=text, headers={"Content-Type": "application/json"}) for i, text in enumerate(JSON)],
    *[post(f"type {kind!r}", "/flows/filter", raw='{"limit": 0}', headers={"Content-Type": kind}) for kind in TYPES],
    # schedules
    post("deployment", "/deployments/", {"name": "fo-d", "flow_id": "<fo_flow>", "paused": True, "schedules": [
        {"schedule": {"interval": 3600, "anchor_date": "2024-01-01T00:00:00Z"}, "slug": "a"}, {"schedule": {"cron": "0 0 * * *"}, "slug": "b", "active": False},
        {"schedule": {"rrule": "FREQ=DAILY;COUNT=3"}, "slug": "c", "parameters": {"p": 1}}]}, fo_dep="id"),
    get("schedules last first", "/deployments/<fo_dep>/schedules"),
    patch("schedule changed", "/deployments/<fo_dep>", {"schedules": [{"slug": "b", "active": True}, {"slug": "d", "schedule": {"cron": "5 * * * *"}}]}),
    get("schedules changed first", "/deployments/<fo_dep>"),
    *[post(f"interval {v!r}", "/deployments/<fo_dep>/schedules", [{"schedule": {"interval": v, "anchor_date": "2024-01-01T00:00:00Z"}}]) for v in INTERVALS],
    # many runs at once
    post("bulk unhydrated", "/deployments/<fo_dep>/create_flow_run/bulk", [{"parameters": {"a": {"__prefect_kind": "json", "value": "{"}}},
                                                                          {"parameters": {"a": {"__prefect_kind": "workspace_variable", "variable_name": "no-such"}}}]),
]
