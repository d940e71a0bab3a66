"""Replies without what differs by nature: ids become #1, #2 ..., times become their distance from the request."""
import datetime
import re

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TOKEN = re.compile(r"#\d+;")
LITERAL = "00000000-0000-4000-8000-"  # ids of the corpus itself
TIME = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{6})?Z$")
INVENTED = re.compile(r"[a-z]{3,}-[a-z]{2,}")  # what a run is called that was given no name
NEAR_S = 2 * 86400  # a time farther from now is meant literally
SLACK_S = 3
CLOCKED = {"total_run_time", "estimated_run_time", "estimated_start_time_delta", "delay_seconds", "lateness", "duration",
           "sum_estimated_run_time", "time_in_current_state", "sum_estimated_lateness", "avg_slot_occupancy_seconds", "retry-after"}
UNORDERED = {"exception_detail", "pause_keys", "expect", "after", "for_each"}
HEADERS = ("content-type", "allow", "retry-after", "location", "content-disposition")


def seconds_from(text, now):
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment - now).total_seconds()


class Recorder:
    """Makes a reply of the real server independent of the moment it was given."""

    def __init__(self):
        self.tokens = {}

    def token(self, found):
        text = found[0]
        if text.startswith(LITERAL):
            return text
        return self.tokens.setdefault(text, f"#{len(self.tokens) + 1};")

    def plain(self, value, now):
        if isinstance(value, dict):
            return {self.plain(k, now): self.plain(v, now) for k, v in value.items()}
        if isinstance(value, list):
            return [self.plain(v, now) for v in value]
        if not isinstance(value, str):
            return value
        if TIME.match(value) and abs(distance := seconds_from(value, now)) < NEAR_S:
            return f"@{distance:+.1f}"
        return UUID.sub(self.token, value)


class Comparer:
    """Holds our replies against recorded ones; learns which of our ids stands for which of theirs."""

    SLOWNESS_S = 600  # how much longer ago something may be on one side, which depends on its speed

    def __init__(self, any_order=False):
        self.ours, self.theirs, self.always = {}, {}, any_order

    def faults(self, theirs, ours, now, options=None):
        self.now, self.options, self.found = now, options or {}, []
        self.any_order = self.always or self.options.get("any_order")
        self.walk("$", theirs, ours, "")
        return self.found

    def fault(self, where, theirs, ours):
        self.found.append((where, theirs, ours))

    def walk(self, where, theirs, ours, key):
        if isinstance(theirs, dict) and isinstance(ours, dict):
            return self.objects(where, theirs, ours)
        if isinstance(theirs, list) and isinstance(ours, list):
            return self.lists(where, theirs, ours, key)
        if isinstance(theirs, str) and isinstance(ours, str):
            if key == "name" and INVENTED.fullmatch(theirs) and INVENTED.fullmatch(ours):
                return None
            if not self.texts(theirs, ours) and key not in self.options.get("vary", ()):
                self.fault(where, theirs, ours)
        elif key in CLOCKED and key not in self.options.get("vary", ()) and is_number(theirs) and is_number(ours):
            if abs(theirs - ours) > SLACK_S + (self.SLOWNESS_S if theirs > 0 else 0):
                self.fault(where, theirs, ours)
        elif is_number(theirs) and is_number(ours) and theirs == ours:
            return None  # 0 and 0.0
        elif type(theirs) is not type(ours) or theirs != ours:
            if key not in self.options.get("vary", ()) or (theirs is None) != (ours is None):
                self.fault(where, theirs, ours)

    def objects(self, where, theirs, ours):
        ours = {self.rename(k): v for k, v in ours.items()}
        for key in theirs:
            if key not in ours:
                self.fault(f"{where}.{key}", theirs[key], "(no such key)")
            else:
                self.walk(f"{where}.{key}", theirs[key], ours[key], key)
        for key in ours.keys() - theirs.keys():
            self.fault(f"{where}.{key}", "(no such key)", ours[key])

    def lists(self, where, theirs, ours, key):
        if len(theirs) != len(ours):
            self.fault(where + ".length", len(theirs), f"{len(ours)}: {brief(theirs)} / {brief(ours)}")
        if self.any_order or key in UNORDERED:
            return self.sets(where, theirs, ours, key)
        for i, (one, other) in enumerate(zip(theirs, ours) if len(theirs) == len(ours) else ()):
            self.walk(f"{where}[{i}]", one, other, key)

    def sets(self, where, theirs, ours, key):
        """First those that are alike, then of the fewer ones each beside the nearest of the others; of these no ids are learnt."""
        rest, alone = list(enumerate(ours)), []
        for i, item in enumerate(theirs):
            match = next((pair for pair in rest if not self.distance(item, pair[1], key)), None)
            if match is None:
                alone.append((i, item))
            else:
                rest.remove(match)
                self.walk(f"{where}[{i}]", item, match[1], key)
        bound = dict(self.ours), dict(self.theirs)
        while alone and rest:
            if len(alone) <= len(rest):
                one = alone[0]
                other = min(rest, key=lambda pair: self.distance(one[1], pair[1], key))
            else:
                other = rest[0]
                one = min(alone, key=lambda pair: self.distance(pair[1], other[1], key))
            alone.remove(one)
            rest.remove(other)
            self.walk(f"{where}[{one[0]}]", one[1], other[1], key)
        self.ours, self.theirs = bound

    def distance(self, theirs, ours, key):
        kept, bound = self.found, (dict(self.ours), dict(self.theirs))
        self.found = []
        self.walk("", theirs, ours, key)
        found, self.found = self.found, kept
        self.ours, self.theirs = bound
        return len(found)

    def rename(self, text):
        """Our ids in a text, as the tokens they stand for."""
        return UUID.sub(lambda m: self.ours.get(m[0], m[0]), text)

    def texts(self, theirs, ours):
        if theirs[:1] == "@" and theirs[1:2] in "+-" and TIME.match(ours):
            late = seconds_from(ours, self.now) - float(theirs[1:])
            return -SLACK_S - (self.SLOWNESS_S if float(theirs[1:]) < 0.5 else 0) < late < SLACK_S + self.SLOWNESS_S
        for token, found in zip(TOKEN.findall(theirs), UUID.findall(ours)):
            if token not in self.theirs and found not in self.ours:
                self.theirs[token], self.ours[found] = found, token
        return theirs == self.rename(ours)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def brief(items):
    return [(i.get("name") or i.get("key") or i.get("id")) if isinstance(i, dict) else i for i in items[:12]]
