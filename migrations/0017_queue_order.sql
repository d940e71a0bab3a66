-- A queue is read in its order without sorting: runs that are made in one batch are due at the same moment.
DROP INDEX flow_run_queue;
CREATE INDEX flow_run_queue ON flow_run (work_queue_id, state_type, next_scheduled_start_time, id) WHERE work_queue_id IS NOT NULL;
