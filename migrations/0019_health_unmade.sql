-- A health check whose run could not be made has none.

ALTER TABLE device_check ALTER COLUMN flow_run_id DROP NOT NULL;
