"""Every difference that is meant: (rows, where, versions, reason).

`rows` and `where` are regular expressions that match a row's whole name and the place of the difference in the reply;
`versions` is the beginning of the versions of Prefect it is for.  A difference without a row here fails, and so does a row
here that allows nothing."""
import re

DIFFERENCES = [
]


class Uses:
    def __init__(self, version):
        self.rules = [(re.compile(r), re.compile(w), reason) for r, w, v, reason in DIFFERENCES if version.startswith(v)]
        self.used, self.count = set(), 0

    def allows(self, row, fault):
        for i, (rows, where, _) in enumerate(self.rules):
            if rows.fullmatch(row.name) and where.fullmatch(fault[0]):
                self.used.add(i)
                self.count += 1
                return True
        return False

    def unused(self):
        return [f"({r.pattern}, {w.pattern})" for i, (r, w, _) in enumerate(self.rules) if i not in self.used]
