-- name: deployment_run_source
-- $1 deployment.  What its runs inherit.
SELECT d.flow_id, d.version, d.parameters, d.job_variables, d.tags, d.enforce_parameter_schema, d.parameter_openapi_schema,
       d.work_queue_id, d.work_queue_name, (SELECT b.id FROM block_document b WHERE b.id = d.infrastructure_document_id), p.name, p.base_job_template
  FROM deployment d
  LEFT JOIN work_queue q ON q.id = d.work_queue_id
  LEFT JOIN work_pool p ON p.id = q.work_pool_id
 WHERE d.id = $1;
