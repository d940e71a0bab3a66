#include "shared/base/fault.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char armed_name[64];
static int countdown;

void fault_arm(const char *name, int nth)
{
    pthread_mutex_lock(&lock);
    snprintf(armed_name, sizeof(armed_name), "%s", name);
    countdown = nth;
    pthread_mutex_unlock(&lock);
}

#if defined(FAULTS)
static void arm_from_environment(void)
{
    const char *spec = getenv("SWITCHYARD_FAULT");
    const char *colon = spec ? strchr(spec, ':') : NULL;
    if (!colon)
        return;
    snprintf(armed_name, sizeof(armed_name), "%.*s", (int)(colon - spec), spec);
    countdown = (int)strtol(colon + 1, NULL, 10);
}

bool fault_hit(const char *name)
{
    static bool environment_read;

    pthread_mutex_lock(&lock);
    if (!environment_read) {
        environment_read = true;
        if (!countdown)
            arm_from_environment();
    }
    bool hit = countdown > 0 && strcmp(name, armed_name) == 0 && --countdown == 0;
    pthread_mutex_unlock(&lock);
    return hit;
}
#endif
