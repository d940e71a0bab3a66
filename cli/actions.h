/* The functions behind the rows of commands.c. */
#pragma once
#include "cli/resources.h"

enum err_code cmd_server_start(struct cli *cli);
enum err_code cmd_worker_start(struct cli *cli);
enum err_code cmd_deploy(struct cli *cli);
enum err_code cmd_run(struct cli *cli);
enum err_code cmd_report(struct cli *cli);
enum err_code cmd_run_list(struct cli *cli);
enum err_code cmd_run_logs(struct cli *cli);
enum err_code cmd_run_cancel(struct cli *cli);
enum err_code cmd_run_retry(struct cli *cli);
enum err_code cmd_run_watch(struct cli *cli);
enum err_code cmd_pool_create(struct cli *cli);
enum err_code cmd_pool_pause(struct cli *cli);
enum err_code cmd_pool_resume(struct cli *cli);
enum err_code cmd_block_create(struct cli *cli);
enum err_code cmd_block_types(struct cli *cli);
enum err_code cmd_variable_get(struct cli *cli);
enum err_code cmd_variable_set(struct cli *cli);
enum err_code cmd_key_create(struct cli *cli);
enum err_code cmd_file_put(struct cli *cli);
enum err_code cmd_file_get(struct cli *cli);
enum err_code cmd_version(struct cli *cli);
enum err_code cmd_completion(struct cli *cli);
enum err_code cmd_complete(struct cli *cli);

enum err_code cmd_device_hold(struct cli *cli);
enum err_code cmd_device_release(struct cli *cli);
enum err_code cmd_device_kick(struct cli *cli);
enum err_code cmd_device_return(struct cli *cli);
enum err_code cmd_device_maintenance(struct cli *cli);
enum err_code cmd_device_history(struct cli *cli);
enum err_code cmd_device_inspect(struct cli *cli);
enum err_code cmd_why(struct cli *cli);
enum err_code cmd_campaign_create(struct cli *cli);
enum err_code cmd_campaign_list(struct cli *cli);
enum err_code cmd_campaign_status(struct cli *cli);
enum err_code cmd_campaign_pause(struct cli *cli);
enum err_code cmd_campaign_resume(struct cli *cli);
enum err_code cmd_campaign_cancel(struct cli *cli);
enum err_code cmd_campaign_report(struct cli *cli);
enum err_code cmd_campaign_compare(struct cli *cli);
enum err_code cmd_measurement_list(struct cli *cli);
enum err_code cmd_measurement_export(struct cli *cli);

/* INVALID says what a name may be. */
MUST_CHECK enum err_code campaign_check_name(struct cli *cli, const char *name);
/* The queue of a campaign, made or brought up to date (`--cap`). */
MUST_CHECK enum err_code campaign_queue(struct cli *cli, const char *campaign, json_t *deployment,
                                        const char **out_name);
/* Puts a file into the server's store.  out_sha: 64 digits. */
MUST_CHECK enum err_code file_send(struct cli *cli, const char *path, const char **out_sha);
/* Sets a run to a state: {"type": ..., "name": ...}.  CONFLICT with the server's reason when
 * refused. */
MUST_CHECK enum err_code run_set_state(struct cli *cli, const char *run_id, const char *type,
                                       const char *name);
/* Proposes the state to the runs that the filter names, BULK_RUNS in one request, until none is
 * left that takes it; *in_out_count: how many did.  Who took it must not match any more.  Takes the
 * reference to `filter`. */
enum { BULK_RUNS = 50 };
MUST_CHECK enum err_code runs_set_state(struct cli *cli, json_t *filter, const char *type,
                                        const char *name, int *in_out_count);
/* Runs the report of a campaign, waits for it and saves its files in `folder`. */
MUST_CHECK enum err_code report_make(struct cli *cli, const char *campaign, const char *folder);
/* The line of ids a watch follows: prints how it ended, sets cli->exit_status. */
void watch_verdict(struct cli *cli, int interrupted, int time_up, int failed);
