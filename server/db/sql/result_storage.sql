-- name: result_storage_get
-- The default document, as long as it exists; always one row.
SELECT (SELECT bd.id FROM configuration c JOIN block_document bd ON bd.id = (c.value ->> 'id')::uuid
         WHERE c.key = 'default_result_storage');

-- name: result_storage_fits
-- $1 document: whether its schema can write; no row when it does not exist.
SELECT bs.capabilities @> '["write-path"]'
  FROM block_document bd JOIN block_schema bs ON bs.id = bd.block_schema_id
 WHERE bd.id = $1;

-- name: result_storage_set
-- $1 document.
INSERT INTO configuration (key, value) VALUES ('default_result_storage', json_build_object('id', $1::uuid))
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated = now();

-- name: result_storage_clear
DELETE FROM configuration WHERE key = 'default_result_storage';
