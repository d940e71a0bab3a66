/* The agent: one loop that takes runs from a pool, executes them and reports.
 *
 *   CATCHING_UP -- journal of earlier starts delivered --> WORKING -- TERM --> DRAINING
 *   DRAINING -- no run left --> DELIVERING --> ENDING
 *   DRAINING -- TERM again, or the time is over --> STOPPING -- no run left --> DELIVERING
 *
 * Exit status: 0 after a drain, 1 for a failure at start (one line says why), 3 when another
 * process works with the same data folder. */
#pragma once

/* argv[0] is the program's name. */
int agent_main(int argc, char *argv[]);
