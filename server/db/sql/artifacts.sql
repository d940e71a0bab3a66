-- Columns of artifact_resource, in its order.

-- name: artifact_insert
-- $1 id, $2 key, $3 type, $4 description, $5 data, $6 metadata, $7 flow run, $8 task run, $9 id of a new collection.
WITH made AS (
    INSERT INTO artifact (id, key, type, description, data, metadata_, flow_run_id, task_run_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    RETURNING id, created, updated, key, type, description, data, metadata_, flow_run_id, task_run_id
), latest AS (
    INSERT INTO artifact_collection (id, created, updated, key, latest_id)
    SELECT $9, made.created, made.updated, made.key, made.id FROM made WHERE made.key IS NOT NULL
        ON CONFLICT (key) DO UPDATE SET latest_id = excluded.latest_id, updated = excluded.updated
)
SELECT * FROM made;

-- name: artifact_collection_of
-- $1 key.  Whether it was made for its latest artifact, and not changed since.
SELECT id, created = (SELECT a.created FROM artifact a WHERE a.id = latest_id) AND xmax::text = '0' FROM artifact_collection WHERE key = $1;

-- name: artifacts_insert
-- $1 JSON array of artifacts with id, flow_run_id and task_run_id; those that are there already stay.  Keys keep their latest.
WITH n AS (
    SELECT * FROM json_to_recordset($1::json)
        AS n (id uuid, key text, type text, description text, data json, metadata_ json, flow_run_id uuid, task_run_id uuid)
), put AS (
    INSERT INTO artifact (id, key, type, description, data, metadata_, flow_run_id, task_run_id)
    SELECT id, key, type, description, data, metadata_, flow_run_id, task_run_id FROM n
        ON CONFLICT (id) DO NOTHING
    RETURNING id, key
)
INSERT INTO artifact_collection (id, key, latest_id)
SELECT gen_random_uuid(), key, (array_agg(id ORDER BY id DESC))[1] FROM put WHERE key IS NOT NULL GROUP BY key
    ON CONFLICT (key) DO UPDATE SET latest_id = excluded.latest_id, updated = now();

-- name: artifact_results
-- Parallel arrays: id, key, type, description, data, flow run, task run.  Results that are kept show as artifacts; their keys are no collections.
INSERT INTO artifact (id, key, type, description, data, flow_run_id, task_run_id)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::json[], $6::uuid[], $7::uuid[]);

-- name: artifact_by_id
SELECT id, created, updated, key, type, description, data, metadata_, flow_run_id, task_run_id FROM artifact WHERE id = $1;

-- name: artifact_latest
-- $1 key.
SELECT ac.id, ac.created, ac.updated, ac.key, a.type, a.description, a.data, a.metadata_, a.flow_run_id, a.task_run_id
  FROM artifact_collection ac JOIN artifact a ON a.id = ac.latest_id
 WHERE ac.key = $1;

-- name: artifact_update
-- $1 id; then for data, description and metadata: whether it is given, and the value.
UPDATE artifact
   SET data = CASE WHEN $2::boolean THEN $3::json ELSE data END,
       description = CASE WHEN $4::boolean THEN $5 ELSE description END,
       metadata_ = CASE WHEN $6::boolean THEN $7::json ELSE metadata_ END,
       updated = now()
 WHERE id = $1
RETURNING id;

-- name: artifact_delete
-- $1 id.  Its id, and the collection that shows another one now.
WITH gone AS (
    DELETE FROM artifact WHERE id = $1 RETURNING id, key
), before AS (
    SELECT DISTINCT ON (a.key) a.key, a.id, a.created, a.updated
      FROM artifact a JOIN gone ON gone.key = a.key AND gone.id <> a.id
     ORDER BY a.key, a.created DESC, a.id DESC
), promoted AS (
    UPDATE artifact_collection ac SET latest_id = before.id, created = before.created, updated = before.updated
      FROM before, gone
     WHERE ac.key = before.key AND ac.latest_id = gone.id
    RETURNING ac.id
), removed AS (
    DELETE FROM artifact_collection ac USING gone
     WHERE ac.latest_id = gone.id AND NOT EXISTS (SELECT FROM before)
)
SELECT gone.id, promoted.id FROM gone LEFT JOIN promoted ON true;
