-- name: schedules_delete
-- $1 deployment.  slug, misfire: what its next schedule of that name inherits.
DELETE FROM deployment_schedule WHERE deployment_id = $1 RETURNING slug, misfire;

-- name: schedules_slugs
-- $1 deployment.  Locks them: id, slug.
SELECT id, slug FROM deployment_schedule WHERE deployment_id = $1 ORDER BY id FOR UPDATE;

-- name: schedule_insert
-- $1 id, $2 deployment, $3 schedule, $4 active or NULL, $5 max_scheduled_runs, $6 parameters, $7 slug, $8 misfire, $9 now.
-- Lists show the last one first, also of those that were made together.
INSERT INTO deployment_schedule (id, created, updated, deployment_id, schedule, active, max_scheduled_runs, parameters, slug, misfire, made_until)
VALUES ($1, clock_timestamp(), clock_timestamp(), $2, $3, coalesce($4, true), $5, coalesce($6::json, '{}'), $7, $8, $9);

-- name: schedule_change
-- $1 deployment, $2 id; NULL leaves as it is: $3 schedule, $4 active, $5 max_scheduled_runs, $6 parameters, $7 slug;
-- $8 whether misfire is given, $9 misfire.
UPDATE deployment_schedule
   SET schedule = coalesce($3::json, schedule), active = coalesce($4, active), max_scheduled_runs = coalesce($5, max_scheduled_runs),
       parameters = coalesce($6::json, parameters), slug = coalesce($7, slug),
       misfire = CASE WHEN $8::boolean THEN $9::jsonb ELSE misfire END, updated = clock_timestamp()
 WHERE deployment_id = $1 AND id = $2
RETURNING id;

-- name: schedule_delete
DELETE FROM deployment_schedule WHERE deployment_id = $1 AND id = $2 RETURNING id;

-- name: schedules_reset
-- $1 deployment, $2 now.  Their runs are made anew; waits until the scheduler has let go of them.
UPDATE deployment_schedule SET due = $2, made_until = $2 WHERE deployment_id = $1;

-- name: schedules_drop_runs
-- $1 deployment, $2 now.  Runs that its schedules made and that have not begun.
WITH gone AS (
    DELETE FROM flow_run
     WHERE deployment_id = $1 AND auto_scheduled AND run_count = 0 AND state_type = 'SCHEDULED'
       AND state_name <> 'AwaitingConcurrencySlot' AND next_scheduled_start_time > $2
    RETURNING id
)
DELETE FROM flow_run_state s USING gone WHERE s.flow_run_id = gone.id;

-- name: schedules_take_due
-- $1 now, $2 limit.  Locks them: id, deployment, schedule, parameters, slug, made_until, misfire, whether it makes runs.
SELECT s.id, s.deployment_id, s.schedule, s.parameters, s.slug, s.made_until, s.misfire, s.active AND NOT d.paused
  FROM deployment_schedule s JOIN deployment d ON d.id = s.deployment_id
 WHERE s.due <= $1
 ORDER BY s.due LIMIT $2
   FOR UPDATE OF s SKIP LOCKED;

-- name: schedules_active
-- $1 deployment.  The same columns.
SELECT s.id, s.deployment_id, s.schedule, s.parameters, s.slug, s.made_until, s.misfire, true
  FROM deployment_schedule s WHERE s.deployment_id = $1 AND s.active ORDER BY s.id;

-- name: schedules_next_due
SELECT due FROM deployment_schedule WHERE due IS NOT NULL ORDER BY due LIMIT 1;

-- name: schedules_dealt_with
-- Parallel arrays: id, due, made_until (NULL: as it is).
UPDATE deployment_schedule s SET due = n.due, made_until = coalesce(n.made_until, s.made_until)
  FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS n (id, due, made_until)
 WHERE s.id = n.id;

-- name: misfires
-- $1 now, $2 how late a run gets before it counts as late, in seconds, $3 limit.  Runs that their schedule does not want any more:
-- run, policy, seconds.  Locks them.
SELECT fr.id, s.misfire->>'policy', s.misfire->>'seconds'
  FROM deployment_schedule s
  JOIN flow_run fr ON fr.deployment_id = s.deployment_id AND fr.auto_scheduled AND fr.created_by->>'id' = s.id::text
 WHERE s.misfire->>'policy' <> 'run_all' AND fr.state_type = 'SCHEDULED' AND fr.state_name IN ('Scheduled', 'Late')
   AND fr.run_count = 0 AND fr.next_scheduled_start_time <= $1::timestamptz
   AND CASE s.misfire->>'policy'
       WHEN 'cancel' THEN fr.next_scheduled_start_time <= $1::timestamptz - $2::float8 * interval '1 second'
       WHEN 'skip_if_later_than' THEN fr.next_scheduled_start_time < $1::timestamptz - (s.misfire->>'seconds')::float8 * interval '1 second'
       ELSE EXISTS (SELECT FROM flow_run l WHERE l.created_by->>'id' = s.id::text AND l.auto_scheduled
                       AND l.expected_start_time > fr.expected_start_time AND l.expected_start_time <= $1::timestamptz) END
 ORDER BY fr.id LIMIT $3
   FOR UPDATE OF fr SKIP LOCKED;

-- name: misfires_next
-- $1 now, $2 seconds as above.  When the next of them is not wanted any more.
SELECT min(CASE s.misfire->>'policy'
           WHEN 'cancel' THEN fr.next_scheduled_start_time + $2::float8 * interval '1 second'
           WHEN 'skip_if_later_than' THEN fr.next_scheduled_start_time + (s.misfire->>'seconds')::float8 * interval '1 second' + interval '1 millisecond'
           ELSE (SELECT min(l.expected_start_time) FROM flow_run l WHERE l.created_by->>'id' = s.id::text AND l.auto_scheduled
                    AND l.expected_start_time > fr.expected_start_time) END)
  FROM deployment_schedule s
  JOIN flow_run fr ON fr.deployment_id = s.deployment_id AND fr.auto_scheduled AND fr.created_by->>'id' = s.id::text
 WHERE s.misfire->>'policy' <> 'run_all' AND fr.state_type = 'SCHEDULED' AND fr.state_name IN ('Scheduled', 'Late') AND fr.run_count = 0
   AND $1::timestamptz IS NOT NULL;
