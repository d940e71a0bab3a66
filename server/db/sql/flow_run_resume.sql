-- name: flow_run_lock
-- $1 flow run.  Columns of run_state_resource.
SELECT state_id, state_type, state_name, state_timestamp, state_message, state_data, state_details
  FROM flow_run WHERE id = $1 FOR UPDATE;
