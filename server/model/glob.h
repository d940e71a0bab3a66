/* Wildcards of automations.  Thread: any.
 * Source: Python's fnmatch, and how Prefect 3.9.1 matches the names of events. */
#pragma once
#include "shared/base/base.h"

/* `*` any characters, `?` one, `[ab]`, `[a-z]`, `[!a]`; in linear time per star. */
bool glob_matches(const char *pattern, const char *text);
/* Of event names: `*` stands for one or more characters, nothing else is special. */
bool glob_name_matches(const char *pattern, const char *name);
/* Of labels: a `!` in front turns it around; a label that is not there (NULL) never matches. */
bool glob_label_matches(const char *pattern, const char *value);
