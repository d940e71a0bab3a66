-- What the server's own events say about a resource.
-- All: $1 ids, $2 whether it is about its status.  Rows: id of the resource, resource, related, payload, what it follows.

-- name: event_about_flow
SELECT 'prefect.flow.' || f.id, jsonb_build_object('prefect.resource.id', 'prefect.flow.' || f.id, 'prefect.resource.name', f.name),
       '[]'::jsonb, json_build_object('name', f.name, 'tags', f.tags, 'labels', f.labels), NULL
  FROM flow f WHERE f.id = ANY($1::uuid[]) AND $2::boolean IS NOT NULL;

-- name: event_about_deployment
SELECT 'prefect.deployment.' || d.id, jsonb_build_object('prefect.resource.id', 'prefect.deployment.' || d.id, 'prefect.resource.name', d.name),
       jsonb_build_array(jsonb_build_object('prefect.resource.id', 'prefect.flow.' || f.id, 'prefect.resource.name', f.name, 'prefect.resource.role', 'flow'))
       || CASE WHEN q.id IS NULL THEN '[]' ELSE jsonb_build_array(
              jsonb_build_object('prefect.resource.id', 'prefect.work-queue.' || q.id, 'prefect.resource.name', q.name,
                                 'prefect.resource.role', 'work-queue'),
              jsonb_build_object('prefect.resource.id', 'prefect.work-pool.' || p.id, 'prefect.resource.name', p.name,
                                 'prefect.work-pool.type', p.type, 'prefect.resource.role', 'work-pool')) END,
       '{}', NULL
  FROM deployment d
  JOIN flow f ON f.id = d.flow_id
  LEFT JOIN work_queue q ON q.id = d.work_queue_id
  LEFT JOIN work_pool p ON p.id = q.work_pool_id
 WHERE d.id = ANY($1::uuid[]) AND $2::boolean IS NOT NULL;

-- name: event_about_work_pool
SELECT 'prefect.work-pool.' || p.id,
       jsonb_build_object('prefect.resource.id', 'prefect.work-pool.' || p.id, 'prefect.resource.name', p.name, 'prefect.work-pool.type', p.type)
       || CASE WHEN $2::boolean THEN '{}' ELSE '{"prefect.resource.role": "work-pool"}'::jsonb END,
       CASE WHEN $2 OR p.default_queue_id IS NULL THEN '[]' ELSE jsonb_build_array(
           jsonb_build_object('prefect.resource.id', 'prefect.work-queue.' || p.default_queue_id, 'prefect.resource.role', 'default-queue')) END,
       '{}', CASE WHEN $2 AND uuid_time(p.last_status_event_id) > now() - interval '5 minutes' THEN p.last_status_event_id END, p.id
  FROM work_pool p WHERE p.id = ANY($1::uuid[]);

-- name: event_about_work_queue
SELECT 'prefect.work-queue.' || q.id,
       jsonb_build_object('prefect.resource.id', 'prefect.work-queue.' || q.id, 'prefect.resource.name', q.name, 'prefect.resource.role', 'work-queue'),
       jsonb_build_array(jsonb_build_object('prefect.resource.id', 'prefect.work-pool.' || p.id, 'prefect.resource.name', p.name,
                                            'prefect.work-pool.type', p.type, 'prefect.resource.role', 'work-pool')),
       '{}', NULL
  FROM work_queue q JOIN work_pool p ON p.id = q.work_pool_id
 WHERE q.id = ANY($1::uuid[]) AND $2::boolean IS NOT NULL;

-- name: event_about_variable
SELECT 'prefect.variable.' || v.id, jsonb_build_object('prefect.resource.id', 'prefect.variable.' || v.id, 'prefect.resource.name', v.name),
       '[]'::jsonb, json_build_object('name', v.name, 'value', v.value, 'tags', v.tags), NULL
  FROM variable v WHERE v.id = ANY($1::uuid[]) AND $2::boolean IS NOT NULL;

-- name: event_about_concurrency_limit
SELECT 'prefect.concurrency-limit.' || l.id,
       jsonb_build_object('prefect.resource.id', 'prefect.concurrency-limit.' || l.id, 'prefect.resource.name', l.name),
       '[]'::jsonb, json_build_object('name', l.name, 'limit', l.slot_limit, 'active', l.active, 'slot_decay_per_second', l.slot_decay_per_second),
       NULL
  FROM concurrency_limit l WHERE l.id = ANY($1::uuid[]) AND $2::boolean IS NOT NULL;

-- name: event_about_block_type
SELECT 'prefect.block-type.' || t.id, jsonb_build_object('prefect.resource.id', 'prefect.block-type.' || t.id, 'prefect.resource.name', t.name),
       '[]'::jsonb, json_build_object('name', t.name, 'slug', t.slug, 'logo_url', t.logo_url, 'documentation_url', t.documentation_url,
                                      'description', t.description, 'code_example', t.code_example, 'is_protected', t.is_protected), NULL
  FROM block_type t WHERE t.id = ANY($1::uuid[]) AND $2::boolean IS NOT NULL;

-- name: event_about_block_document
-- The payload, which may hold secrets, is the caller's.
SELECT 'prefect.block-document.' || b.id,
       jsonb_build_object('prefect.resource.id', 'prefect.block-document.' || b.id)
       || CASE WHEN b.name IS NULL THEN '{}' ELSE jsonb_build_object('prefect.resource.name', b.name) END,
       jsonb_build_array(jsonb_build_object('prefect.resource.id', 'prefect.block-type.' || t.id, 'prefect.resource.role', 'block-type',
                                            'prefect.resource.name', t.name),
                         jsonb_build_object('prefect.resource.id', 'prefect.block-schema.' || s.id, 'prefect.resource.role', 'block-schema')),
       json_build_object('name', b.name, 'block_schema',
                         json_build_object('capabilities', s.capabilities, 'block_type', json_build_object('id', t.id, 'name', t.name))), NULL
  FROM block_document b
  JOIN block_type t ON t.id = b.block_type_id
  JOIN block_schema s ON s.id = b.block_schema_id
 WHERE b.id = ANY($1::uuid[]) AND $2::boolean IS NOT NULL;

-- name: event_about_artifact_collection
SELECT 'prefect.artifact-collection.' || c.id,
       jsonb_build_object('prefect.resource.id', 'prefect.artifact-collection.' || c.id, 'prefect.resource.name', c.key),
       jsonb_build_array(jsonb_build_object('prefect.resource.id', 'prefect.artifact.' || a.id, 'prefect.resource.role', 'latest'))
       || CASE WHEN a.flow_run_id IS NULL THEN '[]' ELSE jsonb_build_array(
              jsonb_build_object('prefect.resource.id', 'prefect.flow-run.' || a.flow_run_id, 'prefect.resource.role', 'flow-run')) END
       || CASE WHEN a.task_run_id IS NULL THEN '[]' ELSE jsonb_build_array(
              jsonb_build_object('prefect.resource.id', 'prefect.task-run.' || a.task_run_id, 'prefect.resource.role', 'task-run')) END,
       json_build_object('key', c.key, 'type', a.type, 'data', a.data, 'description', a.description), NULL
  FROM artifact_collection c JOIN artifact a ON a.id = c.latest_id
 WHERE c.id = ANY($1::uuid[]) AND $2::boolean IS NOT NULL;

-- name: event_fields_deployment
-- $1 id: the members whose change is told, by Prefect's names.
SELECT json_build_object('infra_overrides', d.job_variables, 'paused', d.paused, 'tags', d.tags,
                         'enforce_parameter_schema', d.enforce_parameter_schema, 'concurrency_options', d.concurrency_options,
                         'description', d.description, 'entrypoint', d.entrypoint, 'parameter_openapi_schema', d.parameter_openapi_schema,
                         'pull_steps', d.pull_steps, 'work_queue_id', d.work_queue_id, 'version', d.version, 'parameters', d.parameters,
                         'path', d.path, 'concurrency_limit_id', d.concurrency_limit_id, 'storage_document_id', d.storage_document_id,
                         'infrastructure_document_id', d.infrastructure_document_id)
  FROM deployment d WHERE d.id = $1::uuid;

-- name: event_fields_work_pool
-- A pause is told by an event of its own.
SELECT json_build_object('description', p.description, 'base_job_template', p.base_job_template,
                         'concurrency_limit', p.concurrency_limit, 'storage_configuration', p.storage_configuration)
  FROM work_pool p WHERE p.id = $1::uuid;

-- name: event_fields_work_queue
SELECT json_build_object('name', q.name, 'description', q.description, 'concurrency_limit', q.concurrency_limit, 'priority', q.priority)
  FROM work_queue q WHERE q.id = $1::uuid;

-- name: event_status_of_pools
-- Parallel arrays: pool, its newest status event.
UPDATE work_pool p SET last_status_event_id = n.event FROM unnest($1::uuid[], $2::uuid[]) AS n (id, event) WHERE p.id = n.id;
