"""A row of the corpus: one request, what is remembered of its reply, and how it is compared.

In paths and bodies `<name>` stands for what an earlier reply gave (`<flow>`), `<now+60>` for a time.  A text that is
nothing but one `<name>` takes the value's type.  Keyword arguments are captures (`flow="id"`, `first="0.id"`), except:

    any_order=True      lists of the reply have no order of their own
    vary=("name",)      members whose values may differ, not their types
    headers={...}       sent with the request
    raw="..."           sent as the body as it is
    wait=True           the reply is right only after a moment (events are stored in the background)
"""
import dataclasses
import json
import re
import datetime

OPTIONS = ("any_order", "vary", "headers", "raw", "wait")
NOBODY = "00000000-0000-4000-8000-00000000dead"
NOTHING = object()
VARIABLE = re.compile(r"<(now(?:[+-]\d+)?|[a-z][a-z0-9_]*)>")


@dataclasses.dataclass
class Row:
    name: str
    method: str
    path: str
    body: object = NOTHING
    captures: dict = dataclasses.field(default_factory=dict)
    options: dict = dataclasses.field(default_factory=dict)

    def request(self, known):
        """method, path, bytes, headers; KeyError when something was not captured."""
        headers = dict(self.options.get("headers", {}))
        data = self.options.get("raw")
        if data is None and self.body is not NOTHING:
            data = json.dumps(fill(self.body, known))
            headers.setdefault("Content-Type", "application/json")
        path = str(fill(self.path, known))
        return self.method, path if path.startswith("//") else "/api" + path, encoded(data), headers

    def capture(self, body):
        return {name: found for name, path in self.captures.items() if (found := reach(body, path)) is not None}


def encoded(data):
    return data.encode() if isinstance(data, str) else data


def reach(body, path):
    for step in path.split(".") if path else ():
        try:
            body = body[int(step) if isinstance(body, list) else step]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return body


def value_of(name, known):
    if name.startswith("now"):
        moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=int(name[3:] or 0))
        return moment.isoformat().replace("+00:00", "Z")
    return known[name]


def fill(value, known):
    if isinstance(value, dict):
        return {fill(k, known): fill(v, known) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [fill(v, known) for v in value]
    if not isinstance(value, str):
        return value
    if (whole := VARIABLE.fullmatch(value)):
        return value_of(whole[1], known)
    return VARIABLE.sub(lambda m: str(value_of(m[1], known)), value)


def maker(method):
    def make(name, path, body=NOTHING, **more):
        options = {k: more.pop(k) for k in OPTIONS if k in more}
        return Row(name, method, path, body, more, options)

    return make


get, post, put, patch, delete = (maker(m) for m in ("GET", "POST", "PUT", "PATCH", "DELETE"))
head, options = maker("HEAD"), maker("OPTIONS")
