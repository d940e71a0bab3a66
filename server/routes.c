/* The whole API.  A row per operation, grouped by resource, in the order of the wire contract. */
#include "server/api/access.h"
#include "server/api/admin.h"
#include "server/api/agents.h"
#include "server/api/artifacts.h"
#include "server/api/automations.h"
#include "server/api/blocks.h"
#include "server/api/bulk.h"
#include "server/api/campaigns.h"
#include "server/api/collections.h"
#include "server/api/concurrency_limits.h"
#include "server/api/deployment_runs.h"
#include "server/api/deployment_schedules.h"
#include "server/api/deployments.h"
#include "server/api/devices.h"
#include "server/api/event_pages.h"
#include "server/api/events.h"
#include "server/api/events_out.h"
#include "server/api/files.h"
#include "server/api/flow_run_graph.h"
#include "server/api/flow_run_inputs.h"
#include "server/api/flow_run_lanes.h"
#include "server/api/flow_run_logs.h"
#include "server/api/flow_runs.h"
#include "server/api/flows.h"
#include "server/api/logs.h"
#include "server/api/logs_out.h"
#include "server/api/measurements.h"
#include "server/api/observed_states.h"
#include "server/api/result_storage.h"
#include "server/api/run_states.h"
#include "server/api/saved_searches.h"
#include "server/api/set_state.h"
#include "server/api/tag_limits.h"
#include "server/api/task_runs.h"
#include "server/api/task_workers.h"
#include "server/api/traces.h"
#include "server/api/ui.h"
#include "server/api/variables.h"
#include "server/api/work_pools.h"
#include "server/api/work_queues.h"
#include "server/api/worker_channel.h"
#include "server/http/metrics.h"
#include "server/http/openapi.h"
#include "server/http/route.h"
#include "server/model/api_key.h"
#include "server/model/artifact.h"
#include "server/model/automation.h"
#include "server/model/block.h"
#include "server/model/concurrency_limit.h"
#include "server/model/csrf_token.h"
#include "server/model/deployment.h"
#include "server/model/event.h"
#include "server/model/flow.h"
#include "server/model/flow_run.h"
#include "server/model/log.h"
#include "server/model/measurement.h"
#include "server/model/result_storage.h"
#include "server/model/saved_search.h"
#include "server/model/tag_limit.h"
#include "server/model/task_run.h"
#include "server/model/ui.h"
#include "server/model/variable.h"
#include "server/model/work_pool.h"

/* clang-format off */
const struct route routes[] = {
    /* the server itself */
    {GET,    "/health",                      admin_health,        .scope = SCOPE_OPEN, .flags = NO_VERSION_CHECK, .doc = "Is the program alive?"},
    {GET,    "/hello",                       admin_hello,         .doc = "Says hello."},
    {GET,    "/ready",                       admin_ready,         .scope = SCOPE_OPEN, .doc = "Does the database answer?"},
    {GET,    "/version",                     admin_api_version,   .flags = NO_VERSION_CHECK, .doc = "Version of the API."},
    {GET,    "/admin/settings",              admin_settings,      .doc = "Settings in force, secrets masked."},
    {GET,    "/admin/version",               admin_version,       .doc = "Version of Prefect whose contract is kept."},
    {GET,    "/admin/storage",               result_storage_read, .reply = &result_storage_resource, .doc = "Default storage of results."},
    {PUT,    "/admin/storage",               result_storage_update, .body = &result_storage_update_resource, .reply = &result_storage_resource, .doc = "Set the default storage of results."},
    {DELETE, "/admin/storage",               result_storage_delete, .doc = "Forget the default storage of results."},
    {GET,    "/csrf-token",                  csrf_token_get,      .reply = &csrf_token_resource, .doc = "A token for browsers, when they need one."},
    {GET,    "/openapi.json",                openapi_get,         .flags = NOT_IN_OPENAPI},
    {GET,    "/docs",                        openapi_docs,        .flags = NOT_IN_OPENAPI},
    {GET,    "//docs",                       openapi_docs,        .flags = NOT_IN_OPENAPI},
    {GET,    "//openapi.json",               openapi_get,         .flags = NOT_IN_OPENAPI},
    {GET,    "//metrics",                    metrics_get,         .flags = NOT_IN_OPENAPI},
    {GET,    "//ui-settings",                admin_ui_settings,   .flags = NOT_IN_OPENAPI},

    /* flows */
    {POST,   "/flows/",                      flows_create,        .body = &flow_create_resource, .reply = &flow_resource, .doc = "Make a flow, or find it by name."},
    {POST,   "/flows/filter",                flows_filter,        .flags = BODY_DOC | REPLY_LIST, .reply = &flow_resource, .doc = "Flows that match."},
    {POST,   "/flows/count",                 flows_count,         .flags = BODY_DOC, .doc = "How many match."},
    {POST,   "/flows/paginate",              flows_paginate,      .flags = BODY_DOC, .doc = "A page of flows that match."},
    {POST,   "/flows/bulk_delete",           flows_bulk_delete,   .body = &bulk_flows_resource, .flags = BODY_OPTIONAL, .doc = "Delete flows that match."},
    {GET,    "/flows/name/{name}",           flows_get_by_name,   .reply = &flow_resource, .doc = "The flow of that name."},
    {GET,    "/flows/{id:uuid}",             flows_get,           .reply = &flow_resource, .doc = "One flow."},
    {PATCH,  "/flows/{id:uuid}",             flows_update,        .body = &flow_update_resource, .doc = "Change a flow."},
    {DELETE, "/flows/{id:uuid}",             flows_delete,        .doc = "Delete a flow, its deployments and runs."},

    /* flow runs */
    {POST,   "/flow_runs/",                  .submit = flow_runs_create, .body = &flow_run_create_resource, .reply = &flow_run_resource, .doc = "Make a run, or find it by its idempotency key."},
    {POST,   "/flow_runs/filter",            flow_runs_filter,    .flags = BODY_DOC | REPLY_LIST, .reply = &flow_run_resource, .doc = "Runs that match."},
    {POST,   "/flow_runs/count",             flow_runs_count,     .flags = BODY_DOC, .doc = "How many match."},
    {POST,   "/flow_runs/paginate",          flow_runs_paginate,  .flags = BODY_DOC, .doc = "A page of runs that match."},
    {POST,   "/flow_runs/lateness",          flow_runs_lateness,  .flags = BODY_DOC, .doc = "Average lateness of those that match, in seconds."},
    {POST,   "/flow_runs/history",           flow_runs_history,   .flags = BODY_DOC, .doc = "How many runs of each state per interval."},
    {POST,   "/flow_runs/bulk_delete",       flow_runs_bulk_delete, .body = &bulk_delete_resource, .flags = BODY_OPTIONAL, .doc = "Delete runs that match."},
    {POST,   "/flow_runs/bulk_set_state",    flow_runs_bulk_set_state, .body = &bulk_set_state_resource, .doc = "Propose a state to runs that match."},
    {GET,    "/flow_runs/{id:uuid}",         .submit = flow_runs_get_one, .reply = &flow_run_resource, .doc = "One run."},
    {PATCH,  "/flow_runs/{id:uuid}",         flow_runs_update_one, .body = &flow_run_update_resource, .doc = "Change a run."},
    {DELETE, "/flow_runs/{id:uuid}",         flow_runs_delete_one, .doc = "Delete a run."},
    {PATCH,  "/flow_runs/{id:uuid}/labels",  flow_runs_labels,    .flags = BODY_DOC, .doc = "Add labels to a run."},
    {POST,   "/flow_runs/{id:uuid}/resume",  flow_runs_resume,    .body = &resume_resource, .flags = BODY_OPTIONAL, .doc = "Let a paused run go on."},
    {POST,   "/flow_runs/{id:uuid}/input",   flow_runs_input_create, .body = &flow_run_input_create_resource, .doc = "Give a run an input."},
    {POST,   "/flow_runs/{id:uuid}/input/filter", flow_runs_input_filter, .body = &flow_run_input_filter_resource, .flags = REPLY_LIST, .reply = &flow_run_input_resource, .doc = "Inputs of a run by the beginning of their key."},
    {GET,    "/flow_runs/{id:uuid}/input/{key}", flow_runs_input_get, .doc = "The value of an input."},
    {DELETE, "/flow_runs/{id:uuid}/input/{key}", flow_runs_input_delete, .doc = "Delete an input."},
    {GET,    "/flow_runs/{id:uuid}/graph",   flow_runs_graph,     .reply = &dependency_resource, .flags = REPLY_LIST, .doc = "Its task runs and what they wait for."},
    {GET,    "/flow_runs/{id:uuid}/graph-v2", flow_runs_graph_v2, .doc = "Its task runs, subflows, artifacts and states, as a graph."},
    {GET,    "/flow_runs/{id:uuid}/logs/download", flow_runs_logs_download, .doc = "All log lines of a run, as CSV."},
    {POST,   "/flow_runs/{id:uuid}/set_state", .submit = flow_runs_set_state, .body = &set_state_resource, .doc = "Propose a state."},
    {GET,    "/flow_run_states/",            flow_run_states_list, .reply = &state_read_resource, .flags = REPLY_LIST, .doc = "The states a run went through."},
    {GET,    "/flow_run_states/{id:uuid}",   flow_run_states_get, .reply = &state_read_resource, .doc = "One state."},

    /* task runs */
    {POST,   "/task_runs/",                  task_runs_create,    .body = &task_run_create_resource, .reply = &task_run_resource, .doc = "Make a task run, or find it by its keys."},
    {POST,   "/task_runs/filter",            task_runs_filter,    .flags = BODY_DOC | REPLY_LIST, .reply = &task_run_resource, .doc = "Task runs that match."},
    {POST,   "/task_runs/count",             task_runs_count,     .flags = BODY_DOC, .doc = "How many match."},
    {POST,   "/task_runs/paginate",          task_runs_paginate,  .flags = BODY_DOC, .doc = "A page of task runs that match."},
    {POST,   "/task_runs/history",           task_runs_history,   .flags = BODY_DOC, .doc = "How many task runs of each state per interval."},
    {GET,    "/task_runs/subscriptions/scheduled", .socket = &task_runs_socket, .flags = UPGRADE, .doc = "Background task runs for a task worker, one at a time."},
    {POST,   "/task_workers/filter",         task_workers_filter, .body = &task_workers_filter_resource, .flags = BODY_OPTIONAL, .doc = "Task workers that are connected."},
    {GET,    "/task_runs/{id:uuid}",         task_runs_get,       .reply = &task_run_resource, .doc = "One task run."},
    {PATCH,  "/task_runs/{id:uuid}",         task_runs_update,    .body = &task_run_update_resource, .doc = "Rename a task run."},
    {DELETE, "/task_runs/{id:uuid}",         task_runs_delete,    .doc = "Delete a task run."},
    {POST,   "/task_runs/{id:uuid}/set_state", task_runs_set_state, .body = &set_state_resource, .doc = "Propose a state."},
    {GET,    "/task_run_states/",            task_run_states_list, .reply = &state_read_resource, .flags = REPLY_LIST, .doc = "The states a task run went through."},
    {GET,    "/observed-states",             observed_states_list, .reply = &observed_state_resource, .flags = REPLY_LIST, .doc = "The states that runs have gone through."},
    {GET,    "/task_run_states/{id:uuid}",   task_run_states_get, .reply = &state_read_resource, .doc = "One state."},

    /* deployments and their schedules */
    {POST,   "/deployments/",                deployments_create,  .body = &deployment_create_resource, .reply = &deployment_resource, .doc = "Make a deployment, or change the one of that name."},
    {POST,   "/deployments/filter",          deployments_filter,  .flags = BODY_DOC | REPLY_LIST, .reply = &deployment_resource, .doc = "Deployments that match."},
    {POST,   "/deployments/count",           deployments_count,   .flags = BODY_DOC, .doc = "How many match."},
    {POST,   "/deployments/paginate",        deployments_paginate, .flags = BODY_DOC, .doc = "A page of deployments that match."},
    {POST,   "/deployments/bulk_delete",     deployments_bulk_delete, .body = &bulk_deployments_resource, .flags = BODY_OPTIONAL, .doc = "Delete deployments that match."},
    {GET,    "/deployments/name/{flow}/{name}", deployments_get_by_name, .reply = &deployment_resource, .doc = "The deployment of that name."},
    {GET,    "/deployments/{id:uuid}",       deployments_get,     .reply = &deployment_resource, .doc = "One deployment."},
    {PATCH,  "/deployments/{id:uuid}",       deployments_update,  .body = &deployment_update_resource, .doc = "Change a deployment."},
    {DELETE, "/deployments/{id:uuid}",       deployments_delete,  .doc = "Delete a deployment."},
    {POST,   "/deployments/{id:uuid}/create_flow_run", deployments_create_flow_run, .body = &deployment_run_create_resource, .reply = &flow_run_resource, .doc = "Make a run of it."},
    {POST,   "/deployments/{id:uuid}/create_flow_run/bulk", deployments_create_flow_runs, .body = &deployment_run_create_resource, .flags = BODY_LIST, .doc = "Make runs of it, at most 100."},
    {POST,   "/deployments/{id:uuid}/pause_deployment", deployments_pause, .doc = "Make no more scheduled runs."},
    {POST,   "/deployments/{id:uuid}/resume_deployment", deployments_resume, .doc = "Make scheduled runs again."},
    {GET,    "/deployments/{id:uuid}/work_queue_check", deployments_work_queue_check, .reply = &legacy_queue_resource, .flags = REPLY_LIST, .doc = "Queues that let its runs through."},
    {POST,   "/deployments/{id:uuid}/schedule", deployments_schedule, .body = &schedule_window_resource, .flags = BODY_OPTIONAL, .doc = "Make the runs of its schedules within a window."},
    {POST,   "/deployments/get_scheduled_flow_runs", deployments_scheduled, .body = &deployments_scheduled_resource, .reply = &flow_run_resource, .flags = REPLY_LIST, .doc = "Scheduled runs of some deployments, the next one first."},
    {GET,    "/deployments/{id:uuid}/schedules", schedules_list,  .flags = REPLY_LIST, .reply = &deployment_schedule_resource, .doc = "Its schedules."},
    {POST,   "/deployments/{id:uuid}/schedules", schedules_create, .body = &deployment_schedule_create_resource, .flags = BODY_LIST | REPLY_LIST, .reply = &deployment_schedule_resource, .doc = "Add schedules."},
    {PATCH,  "/deployments/{id:uuid}/schedules/{schedule:uuid}", schedules_update, .body = &deployment_schedule_update_resource, .doc = "Change a schedule."},
    {DELETE, "/deployments/{id:uuid}/schedules/{schedule:uuid}", schedules_delete, .doc = "Delete a schedule."},

    /* work pools, their queues and workers */
    {POST,   "/work_pools/",                 work_pools_create,   .body = &work_pool_create_resource, .reply = &work_pool_resource, .doc = "Make a pool."},
    {POST,   "/work_pools/filter",           work_pools_filter,   .flags = BODY_DOC | REPLY_LIST, .reply = &work_pool_resource, .doc = "Pools that match."},
    {POST,   "/work_pools/count",            work_pools_count,    .flags = BODY_DOC, .doc = "How many match."},
    {GET,    "/work_pools/{name}",           work_pools_get,      .reply = &work_pool_resource, .doc = "One pool."},
    {PATCH,  "/work_pools/{name}",           work_pools_update,   .body = &work_pool_update_resource, .doc = "Change a pool."},
    {DELETE, "/work_pools/{name}",           work_pools_delete,   .doc = "Delete a pool and its queues."},
    {POST,   "/work_pools/{name}/get_scheduled_flow_runs", work_pools_scheduled, .body = &scheduled_body_resource, .flags = BODY_OPTIONAL, .doc = "Runs that are due."},
    {POST,   "/work_pools/{name}/queues",    work_queues_create,  .body = &work_queue_create_resource, .reply = &work_queue_resource, .doc = "Make a queue."},
    {POST,   "/work_pools/{name}/queues/filter", work_queues_filter, .flags = BODY_DOC | REPLY_LIST, .reply = &work_queue_resource, .doc = "Queues of a pool, by priority."},
    {GET,    "/work_pools/{name}/queues/{queue}", work_queues_get, .reply = &work_queue_resource, .doc = "One queue."},
    {PATCH,  "/work_pools/{name}/queues/{queue}", work_queues_update, .body = &work_queue_update_resource, .doc = "Change a queue."},
    {DELETE, "/work_pools/{name}/queues/{queue}", work_queues_delete, .doc = "Delete a queue."},
    {GET,    "/work_queues/{id:uuid}",       work_queues_get_by_id, .reply = &work_queue_resource, .doc = "One queue, by its id."},
    {POST,   "/work_queues/",                queues_create,       .body = &work_queue_create_resource, .reply = &work_queue_resource, .doc = "Make a queue without naming a pool."},
    {POST,   "/work_queues/filter",          queues_filter,       .flags = BODY_DOC | REPLY_LIST, .reply = &work_queue_resource, .doc = "Queues of all pools, by name."},
    {GET,    "/work_queues/name/{name}",     queues_get_by_name,  .reply = &work_queue_resource, .doc = "One of those without a pool."},
    {PATCH,  "/work_queues/{id:uuid}",       queues_update,       .body = &work_queue_update_resource, .doc = "Change a queue."},
    {DELETE, "/work_queues/{id:uuid}",       queues_delete,       .doc = "Delete a queue."},
    {POST,   "/work_queues/{id:uuid}/get_runs", queues_get_runs,  .body = &queue_runs_resource, .flags = BODY_OPTIONAL | REPLY_LIST, .reply = &flow_run_resource, .doc = "Runs of a queue that are due."},
    {GET,    "/work_queues/{id:uuid}/status", queues_status,      .doc = "Is the queue served, and are runs late?"},
    {POST,   "/work_queues/{id:uuid}/concurrency_status", queues_concurrency, .body = &slots_page_resource, .flags = BODY_OPTIONAL, .doc = "Slots of a queue, and who holds them."},
    {POST,   "/work_pools/{name}/concurrency_status", pools_concurrency, .body = &slots_page_resource, .flags = BODY_OPTIONAL, .doc = "Slots of a pool and its queues, and who holds them."},
    {GET,    "/work_pools/{name}/workers/connect", .socket = &worker_channel_socket, .flags = UPGRADE, .doc = "The channel of a worker: heartbeats, changes of the pool, clean-up."},
    {POST,   "/work_pools/{name}/workers/heartbeat", workers_heartbeat, .body = &worker_heartbeat_resource, .doc = "A worker lives."},
    {POST,   "/work_pools/{name}/workers/filter", workers_filter, .flags = BODY_DOC | REPLY_LIST, .reply = &worker_resource, .doc = "Workers of a pool."},
    {DELETE, "/work_pools/{name}/workers/{worker}", workers_delete, .doc = "Forget a worker."},

    /* concurrency limits */
    {POST,   "/v2/concurrency_limits/",      limits_create,       .body = &concurrency_limit_create_resource, .reply = &concurrency_limit_resource, .doc = "Make a limit."},
    {POST,   "/v2/concurrency_limits/filter", limits_filter,      .flags = BODY_DOC | REPLY_LIST, .reply = &concurrency_limit_read_resource, .doc = "All limits, by name."},
    {POST,   "/v2/concurrency_limits/increment", limits_increment, .body = &increment_resource, .doc = "Take slots."},
    {POST,   "/v2/concurrency_limits/increment-with-lease", limits_increment_with_lease, .body = &increment_with_lease_resource, .doc = "Take slots until a lease ends."},
    {POST,   "/v2/concurrency_limits/decrement", limits_decrement, .body = &decrement_resource, .doc = "Give slots back."},
    {POST,   "/v2/concurrency_limits/decrement-with-lease", limits_decrement_with_lease, .body = &decrement_with_lease_resource, .doc = "End a lease."},
    {POST,   "/v2/concurrency_limits/leases/{lease_id}/renew", limits_renew, .body = &renew_lease_resource, .flags = BODY_OPTIONAL, .doc = "Keep a lease."},
    {GET,    "/v2/concurrency_limits/{limit}", limits_get,        .reply = &concurrency_limit_read_resource, .doc = "One limit, by id or name."},
    {PATCH,  "/v2/concurrency_limits/{limit}", limits_update,     .body = &concurrency_limit_update_resource, .doc = "Change a limit."},
    {DELETE, "/v2/concurrency_limits/{limit}", limits_delete,     .doc = "Delete a limit."},

    {POST,   "/concurrency_limits/",         tag_limits_create,   .body = &tag_limit_create_resource, .reply = &tag_limit_resource, .doc = "Limit the task runs with a tag."},
    {POST,   "/concurrency_limits/filter",   tag_limits_filter,   .flags = BODY_DOC | REPLY_LIST, .reply = &tag_limit_resource, .doc = "All limits of tags."},
    {POST,   "/concurrency_limits/increment", tag_limits_increment, .body = &tag_slots_resource, .doc = "Take a slot of each tag."},
    {POST,   "/concurrency_limits/decrement", tag_limits_decrement, .body = &tag_slots_resource, .doc = "Give slots back."},
    {GET,    "/concurrency_limits/{id:uuid}", tag_limits_get,     .reply = &tag_limit_resource, .doc = "One limit."},
    {DELETE, "/concurrency_limits/{id:uuid}", tag_limits_delete,  .doc = "Delete a limit."},
    {GET,    "/concurrency_limits/tag/{tag}", tag_limits_get_by_tag, .reply = &tag_limit_resource, .doc = "The limit of a tag."},
    {DELETE, "/concurrency_limits/tag/{tag}", tag_limits_delete_by_tag, .doc = "Delete the limit of a tag."},
    {POST,   "/concurrency_limits/tag/{tag}/reset", tag_limits_reset, .body = &tag_reset_resource, .flags = BODY_OPTIONAL, .doc = "Free the slots of a tag."},

    /* logs */
    {POST,   "/logs/",                       .submit = logs_create, .body = &log_create_resource, .flags = BODY_LIST, .doc = "Append lines."},
    {GET,    "/logs/out",                    .socket = &logs_out_socket, .flags = UPGRADE, .doc = "Lines that match a filter, as they come."},
    {POST,   "/logs/filter",                 logs_filter,         .flags = BODY_DOC | REPLY_LIST, .reply = &log_resource, .doc = "Lines that match."},

    /* events */
    {POST,   "/events",                      .submit = events_create, .body = &event_resource, .flags = BODY_LIST, .doc = "Take events in."},
    {POST,   "/events/filter",               events_filter,       .flags = BODY_DOC, .doc = "A page of events that match."},
    {GET,    "/events/filter/next",          events_filter_next,  .doc = "The page behind it."},
    {POST,   "/events/count-by/{countable}", events_count_by,     .flags = BODY_DOC, .doc = "How many match by day, time, event or resource."},
    {GET,    "/events/out",                  .socket = &events_out_socket, .flags = UPGRADE, .doc = "Events that match a filter: what is stored, then what comes."},
    {GET,    "/events/in",                   .socket = &events_in_socket, .flags = UPGRADE, .doc = "Events, one in each text frame; a pong says that all before the ping are stored."},
    /* automations */
    {POST,   "/automations/",                automations_create,  .body = &automation_create_resource, .reply = &automation_resource, .doc = "Make an automation."},
    {POST,   "/automations/filter",          automations_filter,  .flags = BODY_DOC | REPLY_LIST, .reply = &automation_resource, .doc = "Automations that match."},
    {POST,   "/automations/count",           automations_count,   .flags = BODY_DOC, .doc = "How many match."},
    {GET,    "/automations/{id:uuid}",       automations_get,     .reply = &automation_resource, .doc = "One automation."},
    {PUT,    "/automations/{id:uuid}",       automations_update,  .body = &automation_update_resource, .doc = "Replace an automation; what its triggers have seen is forgotten."},
    {PATCH,  "/automations/{id:uuid}",       automations_patch,   .body = &automation_patch_resource, .doc = "Switch an automation on or off."},
    {DELETE, "/automations/{id:uuid}",       automations_delete,  .doc = "Delete an automation."},
    {GET,    "/automations/related-to/{resource}", automations_related, .reply = &automation_resource, .flags = REPLY_LIST, .doc = "Automations that act on a resource or belong to it."},
    {DELETE, "/automations/owned-by/{resource}", automations_delete_owned_by, .doc = "Delete the automations that belong to a resource."},
    {POST,   "/automations/templates/validate", templates_validate, .flags = BODY_DOC, .doc = "Is the template well-formed?"},
    {POST,   "/templates/validate",          templates_validate,  .flags = BODY_DOC, .doc = "Is the template well-formed?"},

    /* artifacts */
    {POST,   "/artifacts/",                  artifacts_create,    .body = &artifact_create_resource, .reply = &artifact_resource, .doc = "Keep an artifact; with a key it becomes the latest version."},
    {POST,   "/artifacts/filter",            artifacts_filter,    .flags = BODY_DOC | REPLY_LIST, .reply = &artifact_resource, .doc = "Artifacts that match."},
    {POST,   "/artifacts/count",             artifacts_count,     .flags = BODY_DOC, .doc = "How many match."},
    {POST,   "/artifacts/latest/filter",     artifacts_latest_filter, .flags = BODY_DOC | REPLY_LIST, .reply = &artifact_collection_resource, .doc = "Latest versions that match."},
    {POST,   "/artifacts/latest/count",      artifacts_latest_count, .flags = BODY_DOC, .doc = "How many latest versions match."},
    {GET,    "/artifacts/{id:uuid}",         artifacts_get,       .reply = &artifact_resource, .doc = "One artifact."},
    {GET,    "/artifacts/{key}/latest",      artifacts_get_latest, .reply = &artifact_resource, .doc = "The latest version of a key."},
    {PATCH,  "/artifacts/{id:uuid}",         artifacts_update,    .body = &artifact_update_resource, .doc = "Change an artifact."},
    {DELETE, "/artifacts/{id:uuid}",         artifacts_delete,    .doc = "Delete an artifact; the version before it becomes the latest."},

    /* blocks */
    {POST,   "/block_types/",                block_types_create,  .body = &block_type_create_resource, .reply = &block_type_resource, .doc = "Make a block type."},
    {POST,   "/block_types/filter",          block_types_filter,  .flags = BODY_DOC | REPLY_LIST, .reply = &block_type_resource, .doc = "Block types that match, by name."},
    {POST,   "/block_types/install_system_block_types", block_types_install, .flags = BODY_DOC, .doc = "Install the types that every installation has."},
    {GET,    "/block_types/{id:uuid}",       block_types_get,     .reply = &block_type_resource, .doc = "One block type."},
    {GET,    "/block_types/slug/{slug}",     block_types_get_by_slug, .reply = &block_type_resource, .doc = "The block type of that slug."},
    {GET,    "/block_types/slug/{slug}/block_documents", block_documents_list_type, .flags = REPLY_LIST, .reply = &block_document_resource, .doc = "Documents of a type."},
    {GET,    "/block_types/slug/{slug}/block_documents/name/{name}", block_documents_get_by_name, .reply = &block_document_resource, .doc = "The document of that type and name."},
    {PATCH,  "/block_types/{id:uuid}",       block_types_update,  .body = &block_type_update_resource, .doc = "Change a block type."},
    {DELETE, "/block_types/{id:uuid}",       block_types_delete,  .doc = "Delete a block type, its schemas and documents."},
    {POST,   "/block_schemas/",              block_schemas_create, .body = &block_schema_create_resource, .reply = &block_schema_resource, .doc = "Make a block schema, or find it by checksum and version."},
    {POST,   "/block_schemas/filter",        block_schemas_filter, .flags = BODY_DOC | REPLY_LIST, .reply = &block_schema_resource, .doc = "Block schemas that match, newest first."},
    {GET,    "/block_schemas/{id:uuid}",     block_schemas_get,   .reply = &block_schema_resource, .doc = "One block schema."},
    {GET,    "/block_schemas/checksum/{checksum}", block_schemas_get_by_checksum, .reply = &block_schema_resource, .doc = "The block schema with that checksum; ?version= chooses one."},
    {DELETE, "/block_schemas/{id:uuid}",     block_schemas_delete, .doc = "Delete a block schema and its documents."},
    {GET,    "/block_capabilities/",         block_capabilities_list, .doc = "What documents can be used for."},
    {POST,   "/block_documents/",            block_documents_create, .body = &block_document_create_resource, .reply = &block_document_resource, .doc = "Save a configuration."},
    {POST,   "/block_documents/filter",      block_documents_filter, .flags = BODY_DOC | REPLY_LIST, .reply = &block_document_resource, .doc = "Documents that match."},
    {POST,   "/block_documents/count",       block_documents_count, .flags = BODY_DOC, .doc = "How many match."},
    {GET,    "/block_documents/{id:uuid}",   block_documents_get, .reply = &block_document_resource, .doc = "One document; ?include_secrets=true shows secrets."},
    {PATCH,  "/block_documents/{id:uuid}",   block_documents_update, .body = &block_document_update_resource, .doc = "Change a document's data or schema."},
    {DELETE, "/block_documents/{id:uuid}",   block_documents_delete, .doc = "Delete a document."},

    /* variables */
    {POST,   "/variables/",                  variables_create,    .body = &variable_create_resource, .reply = &variable_resource, .doc = "Make a variable."},
    {POST,   "/variables/filter",            variables_filter,    .flags = BODY_DOC | REPLY_LIST, .reply = &variable_resource, .doc = "Variables that match."},
    {POST,   "/variables/count",             variables_count,     .flags = BODY_DOC, .doc = "How many match."},
    {GET,    "/variables/{id:uuid}",         variables_get,       .reply = &variable_resource, .doc = "One variable."},
    {GET,    "/variables/name/{name}",       variables_get_by_name, .reply = &variable_resource, .doc = "The variable of that name."},
    {PATCH,  "/variables/{id:uuid}",         variables_update,    .body = &variable_update_resource, .doc = "Change a variable."},
    {PATCH,  "/variables/name/{name}",       variables_update_by_name, .body = &variable_update_resource, .doc = "Change the variable of that name."},
    {DELETE, "/variables/{id:uuid}",         variables_delete,    .doc = "Delete a variable."},
    {DELETE, "/variables/name/{name}",       variables_delete_by_name, .doc = "Delete the variable of that name."},

    /* agents: docs/agent-protocol.md */
    {POST,   "/switchyard/claim",            agents_claim,        .body = &agent_call_resource, .doc = "Wait for runs to execute, or to stop."},
    {POST,   "/switchyard/claims/ack",       agents_ack,          .body = &claim_ack_resource, .doc = "Confirm claims before executing them."},
    {POST,   "/switchyard/heartbeat",        agents_heartbeat,    .body = &agent_call_resource, .doc = "Keep an agent's claims and devices."},
    {POST,   "/switchyard/journal",          agents_journal,      .body = &journal_call_resource, .doc = "Deliver what happened, exactly once."},
    {GET,    "/switchyard/devices",          devices_get,         .doc = "Devices of all agents and who holds them."},
    {POST,   "/switchyard/devices/{name}/hold", devices_hold,     .body = &device_hold_resource, .doc = "Keep a device from runs, for a person."},
    {POST,   "/switchyard/devices/{name}/release", devices_release, .body = &device_release_resource, .flags = BODY_OPTIONAL, .doc = "Give it back to runs."},
    {POST,   "/switchyard/devices/{name}/kick", devices_kick,     .body = &device_release_resource, .flags = BODY_OPTIONAL, .doc = "Release it, and cancel the run that uses it."},
    {POST,   "/switchyard/devices/{name}/return", devices_return, .body = &device_release_resource, .flags = BODY_OPTIONAL, .doc = "End its quarantine."},
    {POST,   "/switchyard/devices/{name}/maintenance", devices_maintain, .body = &device_maintenance_resource, .doc = "Into maintenance, or out of it."},
    {GET,    "/switchyard/devices/{name}/history", devices_history, .doc = "What befell a device, and the runs that used it."},
    {POST,   "/switchyard/measurements/filter", measurements_filter, .flags = BODY_DOC | REPLY_LIST, .reply = &measurement_resource, .doc = "Measurements that match."},
    {POST,   "/switchyard/measurements/count", measurements_count, .flags = BODY_DOC, .doc = "How many match."},
    {POST,   "/switchyard/deployments/{id:uuid}/runs", deployments_create_runs, .body = &deployment_run_create_resource, .flags = BODY_LIST, .doc = "Make up to 1000 runs of it at once, all or none."},
    {GET,    "/switchyard/campaigns",          campaigns_get_all,   .doc = "The newest hundred, with how many of their runs are in which state."},
    {GET,    "/switchyard/campaigns/{name}",   campaigns_get,       .doc = "How far a campaign is, and what is left of it in seconds."},
    {GET,    "/switchyard/campaigns/{name}/runs", campaigns_run_ids, .doc = "The ids of all its runs, newest first; the runs: POST /flow_runs/filter, 200 ids at a time."},
    {GET,    "/switchyard/measurements/compare", measurements_compare_get, .doc = "Medians of two campaigns, ?before= and ?after=, model by model."},
    {GET,    "/switchyard/traces/{sha256}",  traces_get,          .doc = "Min, mean and max of a recording, ?from= and ?to= in seconds, at ?pixels= points."},
    {GET,    "/switchyard/flow_runs/{id:uuid}/why", flow_runs_why, .doc = "What a run waits for."},

    /* API keys: docs/security.md */
    {POST,   "/switchyard/api_keys/",        api_keys_create,     .body = &api_key_create_resource, .reply = &api_key_resource, .doc = "Make a key; the answer alone has it."},
    {POST,   "/switchyard/api_keys/filter",  api_keys_filter,     .flags = BODY_DOC | REPLY_LIST, .reply = &api_key_resource, .doc = "All keys, by name."},
    {GET,    "/switchyard/api_keys/{name}",  api_keys_get,        .reply = &api_key_resource, .doc = "One key, without its secret."},
    {DELETE, "/switchyard/api_keys/{name}",  api_keys_delete,     .doc = "Revoke a key."},

    /* files */
    {PUT,    "/switchyard/files/{sha256}",   files_put,           .flags = BODY_FILE, .doc = "Keep a content."},
    {GET,    "/switchyard/files/{sha256}",   files_get,           .doc = "A content."},
    {PUT,    "/switchyard/files/names/{name}", file_names_put,    .body = &file_name_resource, .doc = "Point a name at a content."},
    {GET,    "/switchyard/files/names/{name}", file_names_get,    .doc = "What a name points at."},

    /* what Prefect's pages call */
    {GET,    "/collections/views/{view}",    collections_view,    .doc = "What there is to choose from: types of workers."},
    {POST,   "/ui/flow_runs/history",        ui_flow_runs_history, .flags = BODY_DOC | REPLY_LIST, .reply = &ui_run_resource, .doc = "Runs that match, as dots of a chart."},
    {POST,   "/ui/flow_runs/count-task-runs", ui_flow_runs_count_task_runs, .body = &ui_flow_run_ids_resource, .doc = "How many task runs each has."},
    {POST,   "/ui/flows/count-deployments",  ui_flows_count_deployments, .body = &ui_flow_ids_resource, .doc = "How many deployments each has."},
    {POST,   "/ui/flows/next-runs",          ui_flows_next_runs,  .body = &ui_flow_ids_resource, .doc = "The next scheduled run of each."},
    {POST,   "/ui/schemas/validate",         ui_schemas_validate, .body = &ui_validation_resource, .doc = "What is wrong with the values of a form."},
    {POST,   "/ui/task_runs/dashboard/counts", ui_task_runs_dashboard, .flags = BODY_DOC, .doc = "Task runs that ended well and badly, in 20 buckets of time."},
    {POST,   "/ui/task_runs/count",          ui_task_runs_count,  .flags = BODY_DOC, .doc = "How many task runs are in each state."},
    {GET,    "/ui/task_runs/{id:uuid}",      ui_task_runs_get,    .reply = &task_run_resource, .doc = "One task run, with the name of its flow run."},

    /* saved searches */
    {PUT,    "/saved_searches/",             saved_searches_put,  .body = &saved_search_create_resource, .reply = &saved_search_resource, .doc = "Keep a search under a name."},
    {POST,   "/saved_searches/filter",       saved_searches_filter, .flags = BODY_DOC | REPLY_LIST, .reply = &saved_search_resource, .doc = "All saved searches."},
    {GET,    "/saved_searches/{id:uuid}",    saved_searches_get,  .reply = &saved_search_resource, .doc = "One saved search."},
    {DELETE, "/saved_searches/{id:uuid}",    saved_searches_delete, .doc = "Forget a search."},
};
/* clang-format on */
const size_t route_count = COUNT(routes);
