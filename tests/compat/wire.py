"""Blocking calls of the API; what comes back is held against Prefect's OpenAPI document."""
import json
import pathlib
import sys
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import contract  # noqa: E402


class Api:
    def __init__(self, url):
        self.url = url

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                text, status = reply.read(), reply.status
        except urllib.error.HTTPError as error:
            text = error.read()
            contract.hold(method, path, error.code, text)
            error.add_note(f"{method} {path}: {text[:1000]}")
            raise
        contract.hold(method, path, status, text)
        return json.loads(text) if text else None

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body):
        return self.call("POST", path, body)
