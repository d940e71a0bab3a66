"""Makes schema_rows.h: what jsonschema itself, or Prefect with its rewriting of schemas, says.

    python schema_rows.py > schema_rows.h     (in a virtual environment with Prefect 3.9.1)
"""
import json

import jsonschema
from jsonschema.exceptions import best_match
from jsonschema.validators import Draft202012Validator
from prefect.utilities.schema_tools.validation import validate

PLAIN = r"""
{"type":"string"} | "x" 1 null [1] {"a":true}
{"type":["string","null"]} | null 5
{"type":"integer"} | 1 1.0 1.5 true "1" 12345678901234567890
{"type":"number"} | 1 1.5 true
{"type":"boolean"} | true 0
{"enum":["a",1,null,[1]]} | "a" 1.0 true null [1] "it's" 'x
{"const":{"a":1}} | {"a":1.0} {"a":2} []
{"properties":{"a":{"type":"integer"},"b":{"properties":{"c":{"minLength":2}}}},"required":["a"]} | {"a":1} {} {"a":"x"} {"a":1,"b":{"c":"x"}} {"a":"x","b":{"c":"x"}} 5
{"required":["a","b"]} | {} {"a":1}
{"additionalProperties":false,"properties":{"a":true}} | {"a":1} {"b":1} {"c":1,"b":2}
{"additionalProperties":{"type":"string"}} | {"a":"x"} {"a":1}
{"additionalProperties":false,"patternProperties":{"^x":{"type":"integer"},"^y":true}} | {"x1":1} {"x1":"a"} {"z":1} {"z":1,"a":2}
{"items":{"type":"integer"}} | [1,2] [1,"x"] [[]] "no array"
{"prefixItems":[{"type":"integer"},{"type":"string"}],"items":false} | [1] [1,"a"] [1,"a",2] [1,"a",2,3] ["a"]
{"prefixItems":[{"type":"integer"}],"items":{"type":"string"}} | [1,"a"] [1,2]
{"minimum":3} | 3 2 2.5 "x"
{"maximum":3} | 3 4 12345678901234567890
{"exclusiveMinimum":3} | 3 4
{"exclusiveMaximum":3} | 3 2
{"minimum":1.5} | 1 1e3
{"multipleOf":3} | 9 10 1.5
{"multipleOf":0.5} | 1.5 1.3
{"minLength":1} | "" "a"
{"minLength":2} | "a" "öö"
{"maxLength":2} | "abc" "ööö" "é"
{"maxLength":0} | "a"
{"minItems":1} | [] [1]
{"minItems":2} | [1]
{"maxItems":1} | [1,2]
{"maxItems":0} | [1]
{"minProperties":1} | {}
{"minProperties":2} | {"a":1}
{"maxProperties":1} | {"a":1,"b":2}
{"maxProperties":0} | {"a":1}
{"pattern":"^a+$"} | "aa" "b" "a\n" 5
{"uniqueItems":true} | [1,2] [1,1.0] [1,true] [{"a":1},{"a":1}] []
{"contains":{"type":"integer"}} | [1] ["a"] []
{"contains":{"type":"integer"},"minContains":2} | [1] [1,2]
{"contains":{"type":"integer"},"maxContains":1} | [1,2]
{"contains":{"type":"integer"},"minContains":0} | []
{"propertyNames":{"maxLength":2}} | {"ab":1} {"abc":1}
{"dependentRequired":{"a":["b"]}} | {"a":1} {"a":1,"b":2}
{"dependentSchemas":{"a":{"required":["b"]}}} | {"a":1} {"b":1}
{"allOf":[{"type":"integer"},{"minimum":5}]} | 5 4 "x"
{"anyOf":[{"type":"integer"},{"type":"string"}]} | 1 "a" null
{"anyOf":[{"type":"integer"},{"type":"string","minLength":3}]} | "a" null
{"anyOf":[{"properties":{"a":{"type":"integer"}}},{"type":"array"}]} | {"a":"x"} {"a":1}
{"oneOf":[{"type":"integer"},{"minimum":5}]} | 3 7 2.5
{"oneOf":[{"type":"integer"},{"type":"number"},{"const":3}]} | 3
{"oneOf":[{"properties":{"k":{"const":"a"},"v":{"type":"integer"}},"required":["k","v"]},{"properties":{"k":{"const":"b"}},"required":["k"]}]} | {"k":"a","v":"x"} {"k":"c"} {} {"k":"b"}
{"not":{"type":"integer"}} | "x" 1
{"if":{"properties":{"a":{"const":1}}},"then":{"required":["b"]},"else":{"required":["c"]}} | {"a":1} {"a":2} {"a":1,"b":1} {"a":2,"c":1}
{"properties":{"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{"type":"integer"}}} | {"a":1} {"a":"s"}
{"properties":{"a":{"$ref":"#/definitions/x~1y"}},"definitions":{"x/y":{"type":"integer"}}} | {"a":"s"}
{"$ref":"#/$defs/tree","$defs":{"tree":{"type":"object","properties":{"next":{"$ref":"#/$defs/tree"}}}}} | {"next":{"next":{}}} {"next":{"next":5}}
{"properties":{"a b":{"type":"integer"},"c":{"items":{"properties":{"d":{"type":"string"}}}}}} | {"a b":"x"} {"c":[{"d":"x"},{"d":5}]}
{"properties":{"a":true},"unevaluatedProperties":false} | {"a":1,"c":1,"b":2} {"b":1} {"a":1} 5
{"unevaluatedProperties":{"type":"string"}} | {"a":1,"b":"x"} {"c":1,"a":2} {"a":"x"}
{"prefixItems":[true],"unevaluatedItems":false} | [1] [1,2] [1,"x",3]
{"prefixItems":[true],"unevaluatedItems":{"type":"string"}} | [1,2] [1,"x",3,4] [1,"x"]
{"properties":{"n":{"unevaluatedProperties":false}}} | {"n":{"z":1}} {"n":{}}
{"allOf":[{"properties":{"a":true}},{"patternProperties":{"^p":true}}],"unevaluatedProperties":false} | {"a":1,"p1":2} {"a":1,"b":1}
{"anyOf":[{"properties":{"a":{"const":1}},"required":["a"]},{"properties":{"b":true},"required":["b"]}],"unevaluatedProperties":false} | {"a":1} {"b":1} {"a":2,"b":1} {"a":1,"c":1}
{"if":{"properties":{"k":{"const":1}}},"then":{"properties":{"x":true}},"else":{"properties":{"y":true}},"unevaluatedProperties":false} | {"k":1,"x":1} {"k":2,"y":1} {"k":1,"y":1}
{"dependentSchemas":{"a":{"properties":{"b":true}}},"properties":{"a":true},"unevaluatedProperties":false} | {"a":1,"b":1} {"b":1}
{"contains":{"type":"string"},"unevaluatedItems":false} | ["x"] ["x",1]
{"$ref":"#/$defs/b","properties":{"a":true},"unevaluatedProperties":false,"$defs":{"b":{"properties":{"b":true}}}} | {"a":1,"b":1} {"c":1}
{"$ref":"#n","$defs":{"x":{"$anchor":"n","type":"integer"}}} | 1 "x"
{"$id":"http://example.com/root","$ref":"item","$defs":{"x":{"$id":"item","type":"integer"}}} | 1 "x"
{"properties":{"a":{"$ref":"#/$defs/in/$defs/n"}},"$defs":{"in":{"$id":"in","$ref":"#/$defs/n","$defs":{"n":{"type":"integer"}}}}} | {"a":1} {"a":"x"}
{"$id":"http://example.com/strict","$ref":"tree","$dynamicAnchor":"node","unevaluatedProperties":false,"$defs":{"tree":{"$id":"tree","$dynamicAnchor":"node","properties":{"data":true,"children":{"items":{"$dynamicRef":"#node"}}}}}} | {"children":[{"data":1}]} {"children":[{"daat":1}]}
{"$ref":"https://json-schema.org/draft/2020-12/schema"} | {"minLength":1} {"minLength":-1}
true | 5
false | 5
{} | 5
{"properties":{"a":{"type":"string"},"b":{"type":"string"}}} | {"a":1,"b":2} {"b":2,"a":1}
{"type":"object","properties":{"n":{"type":"number","maximum":1}},"required":["z"]} | {"n":2}
"""
PREFECT = r"""
{"properties":{"a":{"type":"integer"},"b":{"type":"integer","default":1}},"required":[]} | {"a":null} {"b":null} {"a":"x"}
{"properties":{"a":{"type":"integer"}},"required":["a"]} | {"a":null} {"a":1}
{"properties":{"a":{"type":"object","properties":{"b":{"type":"string"}}}}} | {"a":{"b":null}} {"a":{"b":5}} {"a":5}
{"properties":{"a":{"type":"array","items":[{"type":"integer"},{"type":"string"}]}},"required":["a"]} | {"a":[1,"x"]} {"a":[1,2]}
{"properties":{"a":{"allOf":[{"$ref":"#/definitions/D"}]}},"required":["a"],"definitions":{"D":{"title":"D","type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}}} | {"a":{"x":1}} {"a":{}} {"a":{"x":"y"}}
{"properties":{"a":{"$ref":"#/definitions/D"}},"required":["a"],"definitions":{"D":{"title":"D","block_type_slug":"d","type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}}} | {"a":{"x":1}} {"a":{"$ref":"8a1c2b9e-0000-4000-8000-000000000001"}} {"a":{"$ref":{"block_document_id":"x"}}} {"a":{"$ref":{}}} {"a":{}} {"a":5}
{"properties":{"name":{"title":"name","position":0,"type":"string"}},"required":["name"],"type":"object"} | {"name":"x"} {"name":5} {} {"other":1,"name":"x"}
"""


def values(text):
    decoder, at = json.JSONDecoder(), 0
    text = text.replace("'x", '"\'x"')
    while at < len(text):
        _, end = decoder.raw_decode(text, at)
        yield text[at:end]
        at = end + 1


def plain(schema, value):
    error = best_match(Draft202012Validator(schema).iter_errors(value))
    if not error:
        return ""
    if error.json_path == "$":
        return f"Validation failed. Failure reason: {error.message}"
    return f"Validation failed for field {error.json_path.replace('$.', '')!r}. Failure reason: {error.message}"


def prefect(schema, value):
    try:
        validate(value, schema, raise_on_error=True)
        return ""
    except Exception as e:
        return str(e)


def main():
    print("/* Made by schema_rows.py: Prefect's rules?, schema, value, what is wrong. */")
    for rows, say, name in (PLAIN, plain, "false"), (PREFECT, prefect, "true"):
        for line in rows.strip().splitlines():
            schema, _, rest = line.partition(" | ")
            for value in values(rest):
                text = say(json.loads(schema), json.loads(value))
                print("ROW(%s, %s, %s, %s)" % (name, *(json.dumps(t, ensure_ascii=False) for t in (schema, value, text))))


main()
