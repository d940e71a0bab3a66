/* From a step to the bench that it may drive. */
#include <string.h>

#include "worker/lab/bench.h"
#include "worker/lab/lease.h"
#include "worker/steps.h"

static const char *const parts[] = {"board", "meter"};

/* Whether the run has the device itself, or the bench that it is a part of.  A device of a flow
 * with `count` is a list. */
static bool has(const json_t *value, const char *bench, const char *part)
{
    const char *name = json_string_value(json_object_get(value, "name"));
    char full[200];

    snprintf(full, sizeof(full), "%s.%s", bench, part);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (has(json_array_get(value, i), bench, part))
            return true;
    return name && (!strcmp(name, bench) || !strcmp(name, full));
}

static bool run_has(const json_t *devices, const char *bench, const char *part)
{
    const char *key;
    const json_t *value;

    json_object_foreach((json_t *)(uintptr_t)devices, key,
                        value) if (has(value, bench, part)) return true;
    return false;
}

/* `device: left` in `with`, else `bench`, else the only one there is. */
static const json_t *chosen(const struct step_call *call, const char **out_as)
{
    const char *as = step_string(call, "device");
    const json_t *devices = call->run->devices, *device;

    *out_as = as ? as : "bench";
    device = json_object_get(devices, *out_as);
    if (!device && !as && json_object_size(devices) == 1)
        device = json_object_iter_value(json_object_iter((json_t *)(uintptr_t)devices));
    return json_is_array(device) ? json_array_get(device, 0) : device;
}

enum err_code bench_of(struct step_call *call, const struct bench **out)
{
    const char *as, *step = call->step->schema.name;
    const char *name = json_string_value(json_object_get(chosen(call, &as), "name"));

    if (!name)
        return err_set(&call->err, INVALID,
                       "%s needs the device `%s`, and this run has none: name `devices: {%s: "
                       "{target: ...}}` in the flow",
                       step, as, as);
    const struct bench *b = call->run->lab ? lab_find_device(call->run->lab, name) : NULL;
    if (!b)
        return err_set(&call->err, NOT_FOUND, "this agent has no bench named %s", name);
    for (size_t i = 0; i < COUNT(parts); i++)
        if (!run_has(call->run->devices, b->name, parts[i]))
            return err_set(&call->err, INVALID,
                           "%s drives the bench %s, and this run has not its %s: ask for the "
                           "bench, or for both of its parts",
                           step, b->name, parts[i]);
    enum err_code code = bench_may_drive(call->run, b, &call->err);
    if (code)
        return code;
    lab_note_supply(call->run->lab, b, true);
    *out = b;
    return ERR_OK;
}

enum err_code bench_may_drive(const struct step_run *run, const struct bench *bench, struct err *e)
{
    return bench_may_drive_under(run->lease, run->lab, bench, e);
}

enum err_code bench_may_drive_under(const struct lease *lease, const struct lab *lab,
                                    const struct bench *bench, struct err *e)
{
    int64_t newest = lab ? lab_token(lab, bench) : 0;

    if (lease && newest > lease->token)
        return err_set(e, CONFLICT,
                       "%s was leased anew (token %lld after %lld): this run does not drive it",
                       bench->name, (long long)newest, (long long)lease->token);
    return lease_check(lease, bench->name, e);
}
