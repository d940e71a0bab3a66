"""Replies of the API held against Prefect's OpenAPI document, where that is at hand (`../shared`, or $SWITCHYARD_OPENAPI).

Strict: every member that a schema names is there (but for those that Prefect itself leaves out), none that it does not
name, ids and times are written as Prefect writes them.  Refusals have one of Prefect's shapes."""
import atexit
import functools
import json
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCUMENT = "shared/data/prefect-openapi-3.9.1.json"
TIME = re.compile(r"\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?(Z|[+-]\d\d:\d\d)")  # anchors of schedules keep their offset
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# Members that Prefect may leave out, by schema; seen in the recordings of the differential test.
OPTIONAL = {
    "WorkPoolStorageConfiguration": {"default_result_storage_block_id"},  # clients up to 3.3.7 do not get it
}
STATUSES = {"/templates/validate": {204: {"type": "null"}}, "/automations/templates/validate": {204: {"type": "null"}}}
# What a refusal looks like: the document knows only FastAPI's own, which Prefect replaces.
TEXT = {"type": "string"}
REFUSALS = [
    {"type": "object", "properties": {"detail": TEXT}, "required": ["detail"], "additionalProperties": False},
    {"type": "object", "properties": {"exception_message": TEXT}, "required": ["exception_message"], "additionalProperties": False},
    {"type": "object", "required": ["exception_message", "exception_detail", "request_body"], "additionalProperties": False,
     "properties": {"exception_message": TEXT, "request_body": {}, "exception_detail": {"type": "array", "items": {
         "type": "object", "required": ["type", "loc", "msg", "input"], "additionalProperties": False,
         "properties": {"type": TEXT, "loc": {"type": "array"}, "msg": TEXT, "input": {}, "ctx": {"type": "object"}}}}}},
    {"type": "object", "required": ["error"], "additionalProperties": False, "properties": {"error": {
        "type": "object", "required": ["line", "message", "source"], "additionalProperties": False,
        "properties": {"line": {"type": "integer"}, "message": TEXT, "source": TEXT}}}},
]


def find_document():
    named = os.environ.get("SWITCHYARD_OPENAPI")
    places = [pathlib.Path(named)] if named else [p / DOCUMENT for p in list(ROOT.parents)[:2]]
    return next((p for p in places if p.is_file()), None)


class Contract:
    """What an operation may answer."""

    def __init__(self, path):
        import jsonschema

        self.document = json.loads(path.read_text())
        self.operations, self.validators, self.held = [], {}, 0
        for template, methods in self.document["paths"].items():
            pattern = re.compile(re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(template)) + "/?$")
            for method, operation in methods.items():
                self.operations.append((template.count("{"), method.upper(), pattern, operation))
        self.operations.sort(key=lambda row: row[0])
        for name, schema in self.document["components"]["schemas"].items():
            if schema.get("type") == "object" and schema.get("properties"):
                schema.setdefault("additionalProperties", False)
                schema["patternProperties"] = {"^switchyard_": {}}  # ours, for those who set it
                schema["required"] = sorted(schema["properties"].keys() - OPTIONAL.get(name, set()))
        self.formats = jsonschema.FormatChecker(())
        self.formats.checks("uuid")(lambda text: not isinstance(text, str) or UUID.fullmatch(text) is not None)
        self.formats.checks("date-time")(lambda text: not isinstance(text, str) or TIME.fullmatch(text) is not None)

    @functools.cache
    def operation(self, method, path):
        return next((o for _, verb, pattern, o in self.operations if verb == method and pattern.match(path)), None)

    def validator(self, schema):
        import jsonschema

        name = json.dumps(schema)
        if name not in self.validators:
            whole = {**schema, "components": self.document["components"]}
            self.validators[name] = jsonschema.Draft202012Validator(whole, format_checker=self.formats)
        return self.validators[name]

    def schema(self, method, path, status):
        """What the reply has to keep to; None when the document leaves it open."""
        if status >= 400:
            return {"anyOf": REFUSALS}
        replies = self.operation(method, path)["responses"]
        if status in STATUSES.get(path, ()):
            return STATUSES[path][status]
        upsert = {200: "201", 201: "200"}.get(status)  # the document names one of the two
        reply = replies.get(str(status)) or replies.get(upsert)
        if reply is None:
            raise KeyError(f"status {status} is not in the document")
        return reply.get("content", {}).get("application/json", {}).get("schema")

    def faults(self, method, path, status, body):
        """What is wrong with a decoded reply; paths that the document does not have are of no interest."""
        path = path.split("?")[0]
        if self.operation(method, path) is None:
            return []
        self.held += 1
        try:
            schema = self.schema(method, path, status)
        except KeyError as unknown:
            return [f"{method} {path}: {unknown}"]
        return [f"{method} {path}: {status}: {error.json_path}: {error.message[:300]}"
                for error in self.validator(schema).iter_errors(body)] if schema else []


@functools.cache
def contract():
    """None where there is no document or nothing to read it with; what was held is said at the end of the program."""
    path, found = find_document(), None
    try:
        found = Contract(path) if path else None
        trouble = "it is not here"
    except ImportError as missing:
        trouble = missing
    atexit.register(lambda: print(f"{found.held} replies held against Prefect's OpenAPI document" if found else
                                  f"replies not held against Prefect's OpenAPI document: {trouble}", file=sys.stderr))
    return found


def hold(method, path, status, text):
    """Asserts that a reply (path below /api, text as it came) keeps to the document."""
    if contract() is None:
        return
    try:
        body = json.loads(text) if text else None
    except ValueError:
        return  # a download
    faults = contract().faults(method, path, status, body)
    assert not faults, "\n".join(faults[:5])
