"""Every difference that is known: (rows, where, versions, reason).

`rows` and `where` are regular expressions that match a row's whole name and the place of the difference in the reply;
`versions` is for which Prefect: "" for all, "<3.9" for those before 3.9.  A difference without a row here fails."""
import re

ANY, BODY, DETAIL = r"\$.*", r"\$\.body.*", r"\$\.body\.exception_detail.*"
WORDS = r"\$\.body\.exception_detail\[\d+\]\.(msg|ctx).*"

DIFFERENCES = [
    # better on purpose
    (r"root/.*slash|flow_runs/states no slash|states/seen slash|events/(post|settings) slash", ANY, "", "Both spellings of a path are served; Prefect redirects (307), which costs a round trip."),
    (r"root/NaN|root/not UTF-8", ANY, "", "A body that is not JSON is refused with 422 and shown as it came."),
    (r"flow_runs/filter|flow_runs/(read big number|filter page)|flow_runs/paginate 2|task_runs/graph( with subflow)?", ANY, "", "Prefect cannot read some of these runs (500), or prints 1e300 digit by digit."),
    (r"flow_runs/labels odd", ANY, "", "Labels that no run may have are refused; Prefect takes them, and cannot read the run any more (500)."),
    (r"task_runs/graph-v2.*", r"\$\.body\.nodes\[\d+\]\[1\]\.label", "", "A run that was given no name has one of chance."),
    (r"deployments/job variables (bad|kept)", ANY, "", "A PATCH's job variables are checked against the pool's template; Prefect does so only when the pool is sent too."),
    (r"states/5\d pause then", r"\$\.body\.(empirical_policy.*|run_count)", "", "A refused resume leaves the run's policy alone; Prefect leaves `resuming` set, and then does not count the next attempt."),
    (r"matrix/flow .*: PAUSED to .*, then", r"\$\.body\.empirical_policy\.resuming", "", "A refused resume leaves the run's policy alone; Prefect leaves `resuming` set, and then does not count the next attempt."),
    (r"matrix/flow limit full, retry: FAILED to PENDING.*|matrix/limits", ANY, "", "A run that held no slot gives none back; in Prefect it does, and one more may run than the limit says."),
    (r"generated/POST /block_types/\.slug text", BODY, "", "Of two block types with one name Prefect answers with the older one."),
    (r"forms/type '.*", ANY, "", "A body is JSON whatever its Content-Type says (`curl -d`); Prefect takes only application/json for one."),
    # by nature
    (r".*", r"\$\.body\.request_body.*", "", "A refusal repeats the body as it came; Prefect shows it with its own additions."),
    (r"(generated/POST /deployments/|deployments/create ).*", r"\$\.body\.exception_detail\[\d+\]\.input\.parameters", "", "Prefect shows its own addition to what came."),
    (r"generated/POST /events \[\].*", DETAIL, "", "Both refuse with 422; of an event that lacks members Prefect tells the labels that it lacks too."),
    (r"generated/.* body (list|text|number)", r"\$\.body\.exception_detail\.length", "", "Both refuse with 422 a body that is no object; Prefect lists the parameters that are optional too."),
    (r"generated/POST /automations/\.trigger\.triggers\[\]\.triggers .*", DETAIL, "", "Both refuse with 422; the place of an error three triggers deep is named otherwise."),
    (r"deployments/schedule .*", WORDS, "", "Both refuse with 422; of a rule other words say what is wrong, and unknown time zones are not told by a pattern of all names."),
    (r"generated/POST /deployments/.*(rrule|timezone).*", WORDS, "", "Both refuse with 422; of a rule other words say what is wrong, and unknown time zones are not told by a pattern of all names."),
    (r"generated/POST /((artifacts|automations|block_schemas|task_runs|work_queues)/filter|task_runs/paginate)\.(limit|offset).*", BODY, "", "Without a sort the order of rows is that of their ids, which are random in Prefect; what is on a page follows from it."),
    (r"flow_runs/bulk set", r"\$\.body\.results\[\d+\]\.state\.state_details\.flow_run_id", "", "In a state set on many runs Prefect names one run, the same in all of them; here its own."),
    (r"flow_runs/paginate", r"\$\.body\.results\[\d+\]\.job_variables", "", "Job variables that were set to null are none; Prefect's pages alone show null."),
    (r"generated/POST /events/filter.*", r"\$\.body\.(total|next_page|events\[[012]\]\..*)", "", "Of a refused deployment the pool and the queues stay behind in Prefect, whose events are the newest three there; an automation that goes with its owner is an event here."),
    (r"generated/POST /block_(types|schemas)/filter.*|blocks/types system", r"\$\.body\[\d+\]\.(block_type\.)?(logo_url|documentation_url|description|code_example)", "", "Words and pictures of the block types are our own; nothing is fetched from elsewhere."),
    (r"root/settings|generated/GET /admin/settings.*", r"\$\.body\.((home|profiles_path|ui_url|api\.(url|ssl_cert_file)|logging\.config_path|results\.local_storage_path"
     r"|server\.(memo_store_path|logging_level|metrics_enabled|api\.keepalive_timeout|database\.connection_url|docket\.url|ui\..*|services\.event_persister\..*"
     r"|services\.db_vacuum\.enabled|concurrency\.lease_storage|worker_channel\.cleanup_queue_storage|events\.(messaging_broker|messaging_cache|causal_ordering))))", "",
     "Where the server was started and what this one has instead of Prefect's parts; what does nothing here is shown with its default."),
    (r"root/worker types", r"\$\.body\.(prefect-(aws|azure|gcp)|switchyard|.*\.(logo_url|documentation_url|description|example|install_command|title))", "",
     "Worker types that this server hands runs to: process, docker, kubernetes and its own; words and pictures are its own."),
    (r"matrix/flow .*: RUNNING to PAUSED, then", r"\$\.body\.empirical_policy\.pause_keys\[0\]", "", "A pause without a key counts under the id of its state; in Prefect under one of chance."),
    (r"matrix/task limits free and full: .* to RUNNING", r"\$\.body\.details\.reason", "", "Tags are named in their order; Prefect has none."),
    (r"odd/(filter )?time 'P1D'", WORDS, "", "Both refuse with 422; that it would be a duration is not said."),
    (r"odd/time '.*T10:00(:00)?[+-].*'", r"\$\.body\.(expected_start_time|next_scheduled_start_time|state\.state_details\.scheduled_time)", "", "Times are told in UTC; what was sent with another offset Prefect repeats once as it came."),
    (r"odd/scheduled run", r"\$\.body\[0\]\.(name|state\.state_details\.flow_run_id)", "", "A state names its run, whoever made it."),
    (r"odd/pool events", r"\$\.body\.(total|events\.length)", "", "What changes nothing is no event; Prefect tells the status of a pool at each PATCH of `is_paused`."),
    (r"odd/limit .*", ANY, "", "Numbers beyond 64 bits are refused in other words."),
    (r"matrix/task deferred, with a flow run: RUNNING .*", r"\$\.body\.flow_run_run_count", "", "Background runs begin as SCHEDULED; the attempt of a flow run is noted when one starts, not when one is made as RUNNING."),
    # of older versions
    (r"generated/GET /observed-states.*|states/seen.*|forms/query number twice", ANY, "<3.9", "Prefect has observed states since 3.9."),
    (r"generated/POST /task_runs/(filter|paginate)\.sort .*|filters/task_runs (DURATION|START_TIME)_.*", ANY, "<3.9", "Task runs are sorted by start and duration since 3.9."),
    (r"generated/POST /ui/flow.*_ids too many|generated/POST /v2/concurrency_limits/.*\.names too few|limits/take none", ANY, "<3.9", "These lists have bounds since 3.9."),
    (r"(work_pools|deployments)/due.*", r"\$\.body\[\d+\]\.flow_run\.state", "<3.9", "Runs are handed to a worker with their state since 3.9."),
    (r"states/(69|7[0-2]) resched .*", ANY, "<3.9", "How a pause is rescheduled is otherwise since 3.9."),
    (r"root/settings|generated/GET /admin/settings.*", r"\$\.body\.(deployments\.clear_schedules_on_empty|experiments\.plugins).*", "<3.9", "What 3.9 added to the settings."),
    (r"root/settings|generated/GET /admin/settings.*", r"\$\.body\.(plugins|runner\.auto_install_dependencies|server\.(api\.websocket_ping_.*|database\.migration_timeout|worker_channel"
     r"|services\.(cancellation_cleanup\.cancelling_timeout_seconds|cleanup_reconciler|db_vacuum\.orphan_.*))).*", "<3.8", "What 3.8 added to the settings."),
    (r"root/worker types", r"\$\.body\.prefect-docker\.docker\..*(container_wait_timeout|image_pull_policy).*", "<3.8", "What the collections of 3.8 added to the docker worker."),
    (r"filters/flow_runs \d+ state( count)?", BODY, "<3.9", "Types of states are excluded since 3.9."),
    (r"deployments/schedule now", ANY, "<3.9", "Prefect gives up (503) before 3.9."),
    (r"generated/POST /automations/count.*|events/(count|list (id.*|created))", ANY, "<3.8", "Automations are counted all, and not found by id or time, before 3.8."),
    (r"generated/(POST|PUT|PATCH) /automations/.*|events/action .*", ANY, "<3.8", "There is an action more since 3.8, which a refusal tells too."),
    (r"generated/POST /events/filter.*|cascades/artifact promoted", BODY, "<3.8", "Changes of pools, queues, limits and artifacts are events since 3.8."),
    (r"generated/(PATCH|DELETE) /work_pools/\{work_pool_name\}/queues/\{name\}.*|generated/PATCH /work_queues/\{id\}.*|work_pools/legacy change unknown",
     r"\$\.body\.detail", "<3.8", "What is not there is told in other words."),
    (r"generated/POST /(flow|task)_runs/history\.history_start number|(flows|flow_runs)/paginate limit (0|zero)|blocks/documents.*|task_runs/set failed, retries", ANY, "<3.8",
     "Prefect answers 500 before 3.8."),
    (r"root/plain text|small/logs text '_x'|deployments/(job variables gone|run variables missing)|blocks/document cycle|task_runs/set running again", ANY, "<3.8",
     "Mended in 3.8: text bodies, `_` in a search, removed job variables, circles of blocks, the name of a run's next try."),
    (r"task_runs/graph-v2.*|cascades/ca_[rd] graph", BODY, "<3.8", "A graph has the runs that have not started since 3.8."),
    (r"(flow_runs|cascades)/.*log file.*", r"\$\.(headers\.content-disposition|body)", "<3.8", "The file of a log has a quoted name and always a head since 3.8."),
    (r"states/(2[4-8] data|42 late|59 pause) .*", ANY, "<3.8", "Results are not overwritten, a run is late once and a paused one can be cancelled since 3.8."),
    (r"generated/GET /admin/version.*|root/admin version|generated/POST /block_schemas/filter.*", r"\$\.body(\[\d+\]\.version)?", "<3.9", "The version itself."),
]


BETTER = "Prefect answers 5xx (wrong types, missing objects); here 4xx says what is wrong."


def concerns(versions, version):
    return not versions or [int(part) for part in version.split(".")[:2]] < [int(part) for part in versions[1:].split(".")]


class Uses:
    def __init__(self, version, differences):
        self.rules = [(re.compile(r), re.compile(w), reason) for r, w, v, reason in differences if concerns(v, version)]
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
