/* `switchyard-worker flow check|run|steps`: native flows without a server. */
#pragma once

/* argv[0] is "flow".  Returns the exit status: 0 completed, 1 failed, 2 not a flow or a wrong call,
 * 130 cancelled. */
int flow_main(int argc, char **argv);
