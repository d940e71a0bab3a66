"""Rows that follow from the OpenAPI document alone: for each operation wrong bodies, members of the wrong type, out of
range or unknown, ids that are none and ids of nothing.  They are made when a recording is made and are kept in it."""
import json
import re

from rows import NOBODY, NOTHING, Row

SAMPLES = {"uuid": NOBODY, "date-time": "2024-05-06T07:08:09Z", "duration": "PT1M", "binary": "", "json-string": "{}"}
UNIONS = ("anyOf", "oneOf")


class Generator:
    def __init__(self, document):
        self.document, self.explored, self.rows, self.names = document, set(), [], set()

    def resolve(self, schema):
        while "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].split("/")[-1]]
        return schema

    def kinds(self, schema):
        """The members of a union; [schema] when it is none."""
        schema = self.resolve(schema)
        for union in UNIONS:
            if union in schema:
                return [kind for member in schema[union] for kind in self.kinds(member)]
        return [schema]

    def sample(self, schema):
        """The least valid value."""
        kind = self.kinds(schema)[0]
        if "const" in kind:
            return kind["const"]
        if "enum" in kind:
            return kind["enum"][0]
        kinds = {"string": SAMPLES.get(kind.get("format"), "gen"), "integer": max(1, kind.get("minimum", 1)), "number": 1.5,
                 "boolean": True, "array": [], "null": None}
        if kind.get("type") in kinds:
            items = kind.get("minItems", 0)
            return [self.sample(kind["items"])] * items if items else kinds[kind["type"]]
        members = kind.get("properties", {})
        return {name: self.sample(members[name]) for name in kind.get("required", []) if name in members}

    def wrong(self, schema):
        """(what, value): values that the schema does not take, or that are on its border."""
        kinds = self.kinds(schema)
        types = {kind.get("type") for kind in kinds}
        yield "null", None
        if types and None not in types:
            yield from [("number", 5)] if not types & {"integer", "number"} else []
            yield from [("list", [])] if "array" not in types else []
            yield from [("object", {})] if "object" not in types else []
            yield "text", "zz"
            yield "true", True
        for kind in kinds:
            yield from self.borders(kind)

    @staticmethod
    def borders(kind):
        for word, step in (("minimum", -1), ("exclusiveMinimum", 0), ("maximum", 1), ("exclusiveMaximum", 0)):
            if word in kind:
                yield word, kind[word] + step
        if kind.get("type") == "integer":
            yield from (("fraction", 1.5), ("numeric text", "1"))
        if "maxLength" in kind:
            yield "too long", "x" * (kind["maxLength"] + 1)
        if kind.get("minLength"):
            yield "empty", ""
        if "pattern" in kind:
            yield "pattern", "A/b %"
        if "maxItems" in kind:
            yield "too many", [NOBODY] * (kind["maxItems"] + 1)
        if kind.get("minItems"):
            yield "too few", []
        if kind.get("type") == "array":
            yield "list of objects", [{}]
            yield "list of null", [None]

    def add(self, name, method, path, body=NOTHING):
        if name not in self.names:
            self.names.add(name)
            self.rows.append(Row(name, method, path, body))

    def explore(self, title, method, path, schema, wrap, depth=0):
        """Each member with each wrong value, and what is nested, once per named schema."""
        kind = next((k for k in self.kinds(schema) if k.get("properties")), None)
        if kind is None or depth > 3:
            return
        least = self.sample(kind)
        self.add(f"{title} unknown key", method, path, wrap({**least, "zz": 1}))
        for name in kind.get("required", []):
            self.add(f"{title} without {name}", method, path, wrap({k: v for k, v in least.items() if k != name}))
        for name, member in kind["properties"].items():
            for what, value in self.wrong(member):
                self.add(f"{title}.{name} {what}", method, path, wrap({**least, name: value}))
            self.nest(f"{title}.{name}", method, path, member, lambda v, n=name: wrap({**least, n: v}), depth)

    def nest(self, title, method, path, member, wrap, depth):
        for kind in self.kinds(member):
            if kind.get("type") == "array" and kind.get("items"):
                self.nest(title + "[]", method, path, kind["items"], lambda v: wrap([v]), depth)
            elif kind.get("properties"):
                mark = kind.get("title") or json.dumps(sorted(kind["properties"]))
                if mark not in self.explored:
                    self.explored.add(mark)
                    self.explore(title, method, path, kind, wrap, depth + 1)

    def operation(self, method, path, operation):
        title = f"{method} {path}"
        known = {p["name"]: p for p in operation.get("parameters", [])}
        body, required = self.body_of(operation)
        least = () if body is None else (self.sample(body),)
        concrete = self.concrete(path, known)
        if "{" in path:
            self.add(f"{title} of nothing", method, concrete, *least)
            self.add(f"{title} of no id", method, re.sub(r"{[^}]+}", "zz", path), *least)
        for name, parameter in known.items():
            if parameter["in"] == "query":
                for what, value in (("bad", "zz%25"), ("empty", ""), ("negative", "-1"), ("huge", "99999999999999999999")):
                    self.add(f"{title}?{name} {what}", method, f"{concrete}?{name}={value}")
        if body is None:
            self.add(f"{title} body not asked for", method, concrete, {"zz": 1})
            return
        self.add(f"{title} no body", method, concrete)
        for what, value in (("null", None), ("list", []), ("text", "zz"), ("number", 5), ("{}", {})):
            self.add(f"{title} body {what}", method, concrete, value)
        self.nest_body(title, method, concrete, body)

    def nest_body(self, title, method, path, body):
        for kind in self.kinds(body):
            if kind.get("type") == "array":
                self.add(f"{title} list of null", method, path, [None])
                self.explore(f"{title} []", method, path, kind["items"], lambda v: [v])
            else:
                self.explore(title, method, path, kind, lambda v: v)

    def body_of(self, operation):
        request = operation.get("requestBody")
        if not request:
            return None, False
        return request["content"]["application/json"]["schema"], request.get("required", False)

    @staticmethod
    def concrete(path, known):
        def value(match):
            schema = known.get(match[1], {}).get("schema", {})
            return NOBODY if schema.get("format") == "uuid" else (schema.get("enum") or ["no-such"])[0]

        return re.sub(r"{([^}]+)}", value, path)


def generate(document):
    generator = Generator(document)
    for path, methods in sorted(document["paths"].items()):
        for method, operation in methods.items():
            generator.operation(method.upper(), path.removeprefix("/api"), operation)
    return generator.rows
