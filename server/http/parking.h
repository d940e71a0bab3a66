/* Long polls that wait without a thread.
 *
 * A handler that finds nothing says park() and returns ERR_OK; it runs again from its start when
 * its topic is rung, when the time is over or when the server stops.  No ring is lost: a handler
 * reads parking_seen() before it looks for work; if the topic was rung since then, it runs again at
 * once.
 *
 *   uint64_t seen = parking_seen(parking, topic);
 *   ... nothing found ...
 *   if (clock_monotonic_us() < deadline && !rq->work.server->stopping) return park(rq, topic, seen,
 * deadline, NULL);
 *   ... answer with nothing ...
 *
 * With a lane, it looks for many requests at once: it calls parking_hold() for who has to wait on,
 * after it set parked_seen and parked_until_us, and parking_run() for the others.
 *
 * Thread: any. */
#pragma once
#include "server/http/request.h"

struct parking;
struct parking *parking_start(struct server *server);
/* After everything was rung by parking_ring_all(). */
void parking_stop(struct parking *p);

uint64_t parking_topic(const char *kind, const char *name);
uint64_t parking_seen(struct parking *p, uint64_t topic);
/* `until_us` on the monotonic clock; `lane` may be NULL.  A handler's memory does not outlive it,
 * but for the request's decoded body. */
enum err_code park(struct request *rq, uint64_t topic, uint64_t seen, int64_t until_us,
                   struct lane *lane);
/* Here and on the other servers. */
void parking_ring(struct parking *p, uint64_t topic);
/* A row for struct notify_row. */
void parking_heard(struct server *server, const char *rest);
void parking_ring_all(struct parking *p);
size_t parking_count(struct parking *p);

/* Its handler again, now. */
void parking_run(struct parking *p, struct request *rq);
/* Called by the executor after a handler that parked; by the loop when time goes by.  Returns the
 * monotonic time of the next deadline, INT64_MAX for none. */
void parking_hold(struct parking *p, struct request *rq);
int64_t parking_expire(struct parking *p, int64_t now_us);
