/* What templates of actions see: automation, event, labels, firing, firings, events and, when they
 * are named and the event is about one: flow, flow_run, task_run, deployment, work_pool,
 * work_queue, concurrency_limit; variables. */
#pragma once
#include "server/model/jinja.h"
#include "server/store/actions.h"

struct action_context;

/* For the templates given (NULL ones are left out).  INVALID: one of them is none. */
MUST_CHECK enum err_code action_context_load(struct work *w, const struct claimed_action *action,
                                             const char *const *templates, size_t count,
                                             struct action_context **out);
/* False: *out_reason is the exception as Python prints it. */
MUST_CHECK bool action_context_render(struct action_context *c, const char *template,
                                      const char **out_text, const char **out_reason);
