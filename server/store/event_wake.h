/* Tells whoever works on events that some were stored: a number that grows.
 *
 *   uint64_t seen = event_wake_count(wake);
 *   ... work until nothing is left ...
 *   event_wake_wait(wake, seen, until_us);
 *
 * Thread: any. */
#pragma once
#include "server/server.h"

struct event_wake;

struct event_wake *event_wake_start(void);
void event_wake_stop(struct event_wake *wake);
/* Events were stored, here or by another server; nothing for NULL. */
void event_wake_ring(struct event_wake *wake);
uint64_t event_wake_count(struct event_wake *wake);
/* False: `until_us` (monotonic clock) came first. */
bool event_wake_wait(struct event_wake *wake, uint64_t seen, int64_t until_us);
