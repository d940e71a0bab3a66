"""Every difference that is known: (rows, where, versions, reason).

`rows` and `where` are regular expressions that match a row's whole name and the place of the difference in the reply;
`versions` is the beginning of the versions of Prefect it is for.  A difference without a row here fails.  Reasons that
begin with `open:` are not meant: they are what is left to mend, or not looked at yet."""
import re

ANY, BODY, DETAIL = r"\$.*", r"\$\.body.*", r"\$\.body\.exception_detail.*"

DIFFERENCES = [
    # better on purpose
    (r"root/.*slash|flow_runs/states no slash|states/seen slash|events/(post|settings) slash", ANY, "", "Both spellings of a path are served; Prefect redirects (307), which costs a round trip."),
    (r"root/NaN|root/not UTF-8", ANY, "", "A body that is not JSON is refused with 422 and shown as it came."),
    (r"generated/(POST|PATCH) /(flow_runs|task_runs|deployments).*\.name (list|object)", ANY, "", "Prefect takes [] and {} for no name; here 422 names them."),
    (r"flow_runs/filter|flow_runs/(read big number|filter page)|flow_runs/paginate( 2)?|task_runs/graph.*", ANY, "", "Prefect cannot read some of these runs (500), or prints 1e300 digit by digit."),
    (r"deployments/job variables (bad|kept)", ANY, "", "A PATCH's job variables are checked against the pool's template; Prefect does so only when the pool is sent too."),
    (r"deployments/.*", r"\$\.body\.work_queue_name", "", "A deployment without pool has no queue name; Prefect keeps the old one."),
    (r"states/5\d pause then", r"\$\.body\.(empirical_policy.*|run_count)", "", "A refused resume leaves the run's policy alone; Prefect leaves `resuming` set, and then does not count the next attempt."),
    (r"filters/(flow_runs|deployments) \d+ work_queue_name( count)?", ANY, "", "A run or deployment in a pool's default queue is found by the name `default`."),
    (r"(work_pools|deployments)/due.*", r"\$\.body\[\d+\]\.flow_run\..*", "", "Runs of a pool carry the names of pool and queue, as everywhere else."),
    (r"work_pools/queue priority null", ANY, "", "null changes nothing; Prefect answers 409."),
    (r"generated/POST /task_runs/\.empirical_policy\.retry_delay (true|numeric text)", ANY, "", "What is neither a number nor a list is refused; Prefect takes it and forgets it."),
    (r"generated/POST /ui/task_runs/dashboard/counts\.task_runs null", BODY, "", "Both refuse with 422; ours names the member that is needed."),
    (r"forms/type '.*", ANY, "", "A body is JSON whatever its Content-Type says (`curl -d`); Prefect takes only application/json for one."),
    # by nature
    (r"generated/POST /deployments/ without flow_id", r"\$\.body\.exception_detail\[0\]\.input\.parameters", "", "Prefect shows its own addition to what came."),
    (r".*", r"\$\.body\.request_body.*", "", "A refusal repeats the body as it came; Prefect shows it with its own additions."),
    (r".*(retr|pause_keys|schedule|trigger|input|body|since|event|steps|version_info|name|is_anonymous|logs|dashboard|within|history|operator|state_details).*", DETAIL, "",
     "Both refuse with 422. Members of unions, sets and bytes are told in fewer words, and time zones not by a pattern of all names."),
    (r"generated/POST /(artifacts/filter|automations/(count|filter)|events/filter|task_runs/paginate|work_queues/filter).*", BODY, "", "Without a sort the order of rows is that of their ids, which are random in Prefect; what is counted follows earlier rows."),
    (r"flow_runs/bulk set|small/artifacts KEY_.*", BODY, "", "Among equals the order is free."),
    # open
    (r"generated/(GET /block_capabilities/|POST /block_types/|POST /block_schemas/).*|blocks/capabilities", BODY, "", "open: of the block types that Prefect registers at start there are Secret, Webhook and Local File System."),
    (r"generated/(POST|PATCH) /work_(pools|queues)/.*|work_pools/queues?.*|work_pools/legacy.*", ANY, "", "open: the old `filter` of a work queue is not checked; queues move as a whole when one comes between."),
    (r"work_pools/read old client", BODY, "", "open: clients up to 3.3.7 get one member more."),
    (r"deployments/(create bad schema|count|filter|paginate|deployments of flows|queue check|schedule dup slug|schedule interval anchor offset|schedules now|paused|create full|read full|run hydrated jinja)",
     ANY, "", "open: a schema that is none, an anchor's offset, templates in parameters, the queue check, the words of a double slug."),
    (r"flow_runs/create unknown infrastructure", ANY, "", "open: an unknown infrastructure block is accepted for a run."),
    (r"task_runs/(count.*|paginate|set running again|input without type)|flow_runs/count", ANY, "", "open: inputs without a type are refused; retries wait for their delay."),
    (r"events/template text", ANY, "", "open: a template sent as text/plain."),
]


BETTER = "Prefect answers 5xx (wrong types, missing objects); here 4xx says what is wrong."


class Uses:
    def __init__(self, version, differences):
        self.rules = [(re.compile(r), re.compile(w), reason) for r, w, v, reason in differences if version.startswith(v)]
        self.used, self.count, self.open = set(), 0, 0

    def allows(self, row, fault):
        for i, (rows, where, reason) in enumerate(self.rules):
            if rows.fullmatch(row.name) and where.fullmatch(fault[0]):
                self.used.add(i)
                self.count += 1
                self.open += reason.startswith("open:")
                return True
        return False

    def unused(self):
        return [f"({r.pattern}, {w.pattern})" for i, (r, w, _) in enumerate(self.rules) if i not in self.used]
