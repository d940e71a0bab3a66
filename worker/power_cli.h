/* `switchyard-worker power record|analyze`: see docs/measurement.md for options, output and exit
 * codes.  argv[0] is the word `power`. */
#pragma once

int power_main(int argc, char **argv);
