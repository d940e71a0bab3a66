"""Makes codec_rows.h: what pydantic and FastAPI themselves answer to the bodies below.

    python codec_rows.py > codec_rows.h       (with the versions that Prefect 3.9.1 installs)
"""
import json
from datetime import timedelta
from enum import Enum
from typing import Annotated, Any, Dict, List, Optional, Union
from uuid import UUID

from fastapi import Body, FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from prefect.types import DateTime
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt


class Letter(str, Enum):
    A = "A"
    B = "B"
    C = "C"


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    any_: Optional[List[UUID]] = None
    n: int = 0


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(pattern="^[^/%&><]+$")]
    s: Annotated[str, Field(min_length=2, max_length=4)] = "abc"
    s1: Annotated[str, Field(min_length=1, max_length=1)] = "a"
    i: Annotated[int, Field(ge=0, le=200)] = 0
    g: Annotated[int, Field(gt=0)] = 1
    n: int = 0
    fg: Annotated[float, Field(ge=0.5, le=2)] = 1
    b: bool = False
    e: Letter = Letter.A
    u: Optional[UUID] = None
    t: Optional[DateTime] = None
    d: Optional[timedelta] = None
    l: List[str] = []
    l2: Annotated[List[str], Field(max_length=2, min_length=1)] = ["q"]
    ul: Optional[List[UUID]] = None
    j: Dict[str, Any] = {}
    lab: Dict[str, Union[StrictBool, StrictInt, StrictFloat, str]] = {}
    part: Optional[Part] = None
    parts: List[Part] = []


app = FastAPI()


@app.exception_handler(RequestValidationError)
async def refuse(_, e):
    return JSONResponse(status_code=422, content=jsonable_encoder(e.errors()))


@app.post("/thing")
def thing(x: Thing):
    return None


@app.post("/params")
def params(part: Optional[Part] = None, limit: int = Body(200, ge=0), other: Part = Body(None)):
    return None


@app.post("/things")
def things(x: List[Part]):
    return None


MEMBERS = r"""
name: null, 5, "", "a/b"
s: "a", "abcde", "öö"
s1: "", "ab"
i: "5", " 5 ", "5.0", "1_000", "+5", "5.5", 5.0, 5.5, true, null, [], "abc", "", -1, 201, 99999999999999999999999, "--5", "1__0", "_1", "1_", "007", "5.", ".0", 1e2, -0
g: 0
n: 1e+30, 5.5, {}
fg: "1.5", "x", true, null, {}, 0, 3, " 1.5 ", "", "0x1", "9"
b: "true", "YES", "T", 1, 0.0, 1.5, 2, 2.0, "maybe", " true", null, [], 99999999999999999999
e: "D", null, 1, "B"
u: "x", "", "00000000-0000-0000-0000-00000000000g", "00000000-0000-0000-0000-0000000000000", "urn:uuid:00000000-0000-0000-0000-000000000001", "{00000000-0000-0000-0000-000000000001}", "000000000000000000000000000000010", "00000000-0000-0000-000000000000-0000", 5, "00000000000000000000000000000001", null, "0-0", "{00000000000000000000000000000001}", "urn:uuid:x", "ö"
t: "x", "", "2024", "20240101", "2024-01-01T00:00:00+0530", "2024-01-01T00:00:00z", "+5", "1.5", "1e3", 1e+20, "2024-01-01", "2024-13-01", "2024-02-30T00:00:00", "2024-01-01T25:00:00", "2024-01-01T00:00", "2024-01-01 00:00:00.123456789Z", "2024-01-01T00:00:00Zx", 1704067200, 1704067200.5, 99999999999999999, -99999999999999, "1704067200", "-5", true, [], "20x4-01-01", "2024-0x-01", "2024-01-0x", "2024-01-32", "hello world long text", "1704067200 ", "99999999999999999"
d: 90, 90.5, "90", "PT1M30S", "P1DT2H", "P1W", "-PT5S", "00:01:30", "1:30", "00:01", "2 days, 00:01:30", "2 days 00:01:30", "1 day", "3d, 00:01:30", "x", "", "P", "PT", "99:99:99", true, [], 1e+20, "P1", "P1X", "PT1X", "P1DT", "P1H", "24:00:00", "00:00:60", "00:00:0x", "PT1M30S ", "1day01:00:00"
l: "x", null, [1,"a",null], {}
l2: [], ["a","b","c"], null
ul: ["x",5], null, []
j: [], null, "s", {"a":[1]}
lab: {"a":null,"b":[],"c":{}}, {"a":1,"b":1.5,"c":true,"d":"x"}, []
part: 5, "x", [], {"any_":"x","n":"y","q":1}, null
parts: [{"n":"x"},5,null], {}, []
"""
BODIES = {
    "thing": ['{}', 'null', '', '[]', '"x"', '5', '{"name":"x"}',
              '{"zz":1,"b":3,"i":"x","name":"a/b","aa":{"q":1}}'],
    "params": ['', 'null', '{}', '[]', '5', '{"part":{"x":1},"limit":-1,"zz":1}',
               '{"part":5,"limit":null,"other":[]}', '{"other":null,"limit":"7"}'],
    "things": ['', '{}', '[]', '[{},{"n":"x"},7]'],
}


def values(line):
    """The JSON values of a line, as they are written there."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(line):
        _, end = decoder.raw_decode(line, at)
        yield line[at:end]
        at = end + 2


def main():
    client = TestClient(app)
    for line in MEMBERS.strip().splitlines():
        key, _, rest = line.partition(": ")
        first = '' if key == "name" else '"name":"x",'
        BODIES["thing"] += ['{%s"%s":%s}' % (first, key, v) for v in values(rest)]
    print("/* Made by codec_rows.py: body, and what pydantic has against it. */")
    for path, bodies in BODIES.items():
        for body in bodies:
            reply = client.post("/" + path, content=body.encode(), headers={"content-type": "application/json"})
            errors = reply.json() if reply.status_code == 422 else []
            text = ",".join(json.dumps(e, separators=(",", ":"), ensure_ascii=False) for e in errors)
            print("ROW(%s, %s, %s)" % (path, json.dumps(body, ensure_ascii=False), json.dumps(text, ensure_ascii=False)))


main()
