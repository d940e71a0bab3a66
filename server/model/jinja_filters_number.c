/* Filters on numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/jinja_filters.h"

static struct jinja_value f_abs(struct interpreter *in, struct jinja_value v,
                                const struct arguments *args)
{
    (void)args;
    if (!jinja_is_number(&v))
        return jinja_fail(in, "TypeError", "bad operand type for abs(): '%s'", jinja_type(&v));
    if (v.kind == JINJA_FLOAT)
        return jinja_float(fabs(v.real));
    return v.number < 0 ? jinja_binary(in, "-", jinja_int(0), v) : v;
}

static struct jinja_value f_int(struct interpreter *in, struct jinja_value v,
                                const struct arguments *args)
{
    int64_t base = jinja_arg_int(args, 1, "base", 10);
    double d = jinja_is_number(&v) ? jinja_number(&v) : NAN;
    char *end;

    if (v.kind == JINJA_INT || v.kind == JINJA_BOOL)
        return jinja_int(v.number);
    if (v.kind == JINJA_STRING && v.len) {
        long long n = strtoll(v.text, &end, base >= 2 && base <= 36 ? (int)base : 10);
        if (end == v.text + v.len)
            return jinja_int(n);
        d = strtod(v.text, &end);
        if (end != v.text + v.len)
            d = NAN;
    }
    (void)in;
    return fabs(d) < 9e18 ? jinja_int((int64_t)d) : jinja_int(jinja_arg_int(args, 0, "default", 0));
}

static struct jinja_value f_float(struct interpreter *in, struct jinja_value v,
                                  const struct arguments *args)
{
    struct jinja_value otherwise = jinja_arg(args, 0, "default");
    char *end;

    (void)in;
    if (jinja_is_number(&v))
        return jinja_float(jinja_number(&v));
    if (v.kind == JINJA_STRING && v.len) {
        double d = strtod(v.text, &end);
        if (end == v.text + v.len)
            return jinja_float(d);
    }
    return otherwise.kind == JINJA_UNDEFINED ? jinja_float(0) : otherwise;
}

static struct jinja_value f_round(struct interpreter *in, struct jinja_value v,
                                  const struct arguments *args)
{
    struct jinja_value method = jinja_arg(args, 1, "method");
    double scale = pow(10, (double)jinja_arg_int(args, 0, "precision", 0));

    if (!jinja_is_number(&v))
        return jinja_fail(in, "TypeError", "type %s doesn't define __round__ method",
                          jinja_type(&v));
    double d = jinja_number(&v) * scale;
    if (method.kind == JINJA_STRING && !strcmp(method.text, "ceil"))
        return jinja_float(ceil(d) / scale);
    if (method.kind == JINJA_STRING && !strcmp(method.text, "floor"))
        return jinja_float(floor(d) / scale);
    return jinja_float(rint(d) / scale);
}

const struct filter_row jinja_number_filters[] = {
    {"abs", f_abs}, {"int", f_int}, {"float", f_float}, {"round", f_round}};
const size_t jinja_number_filter_count = COUNT(jinja_number_filters);
