"""Replies of the API, held against Prefect's OpenAPI document where that is at hand."""
import json
import os
import pathlib
import re
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = "shared/data/prefect-openapi-3.9.1.json"


def find_document():
    named = os.environ.get("SWITCHYARD_OPENAPI")
    places = [pathlib.Path(named)] if named else [p / DOCUMENT for p in list(ROOT.parents)[:2]]
    return next((p for p in places if p.is_file()), None)


class Contract:
    """What an operation may answer.  Strict: members that the document does not name are faults too."""

    def __init__(self, path):
        from jsonschema import Draft202012Validator

        self.validator = Draft202012Validator
        self.document = json.loads(path.read_text())
        self.operations = []
        for template, methods in self.document["paths"].items():
            pattern = re.compile(re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(template)) + "/?$")
            exact = template.count("{")
            for method, operation in methods.items():
                self.operations.append((exact, method.upper(), pattern, operation))
        self.operations.sort(key=lambda row: row[0])
        for schema in self.document["components"]["schemas"].values():
            if schema.get("type") == "object" and schema.get("properties"):
                schema.setdefault("additionalProperties", False)

    def faults(self, method, path, status, body):
        for _, verb, pattern, operation in self.operations:
            if verb == method and pattern.match(path):
                break
        else:
            return [f"{method} {path} is not in the document"]
        reply = operation["responses"].get(str(status))
        if reply is None:
            upserts = status in (200, 201)  # the document names one of the two
            reply = operation["responses"].get("200" if status == 201 else "201") if upserts else None
        if reply is None:
            return [f"{method} {path}: status {status} is not in the document"]
        schema = reply.get("content", {}).get("application/json", {}).get("schema")
        if not schema:
            return []
        whole = {**schema, "components": self.document["components"]}
        return [f"{method} {path}: {error.json_path}: {error.message[:200]}"
                for error in self.validator(whole).iter_errors(body)]


class Api:
    """Blocking JSON calls; `checked` counts the replies that were held against the document."""

    def __init__(self, url):
        document = find_document()
        self.url, self.checked = url, 0
        self.contract = Contract(document) if document else None

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                text, status = reply.read(), reply.status
        except urllib.error.HTTPError as error:
            error.add_note(f"{method} {path}: {error.read()[:1000]}")
            raise
        value = json.loads(text) if text else None
        if self.contract:
            faults = self.contract.faults(method, path.split("?")[0], status, value)
            assert not faults, "\n".join(faults[:5])
            self.checked += 1
        return value

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body):
        return self.call("POST", path, body)
