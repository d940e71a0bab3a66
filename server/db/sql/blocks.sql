-- Block types have the columns of block_type_resource; schemas and documents those of their tables in the order
-- of their resources, without the computed ones, followed by the columns of their block type.

-- name: block_type_insert
-- $1 id, $2 name, $3 slug, $4 logo, $5 documentation, $6 description, $7 example.  No row when the slug is taken.
INSERT INTO block_type (id, name, slug, logo_url, documentation_url, description, code_example)
VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (slug) DO NOTHING
RETURNING id, created, updated, name, slug, logo_url, documentation_url, description, code_example, is_protected;

-- name: block_type_install
-- The same for a type of the system ($8 protected): the present one is brought up to date.
INSERT INTO block_type (id, name, slug, logo_url, documentation_url, description, code_example, is_protected)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (slug) DO UPDATE
       SET name = excluded.name, logo_url = excluded.logo_url, documentation_url = excluded.documentation_url,
           description = excluded.description, code_example = excluded.code_example, is_protected = excluded.is_protected,
           updated = now()
RETURNING id;

-- name: block_systems_present
-- $1 digest of the types of this program, $2 checksums of their schemas.
SELECT EXISTS (SELECT FROM configuration WHERE key = 'block_types' AND value ->> 'sha256' = $1)
       AND NOT EXISTS (SELECT FROM unnest($2::text[]) u(checksum)
                        WHERE NOT EXISTS (SELECT FROM block_schema s WHERE s.checksum = u.checksum));

-- name: block_systems_installed
INSERT INTO configuration (key, value) VALUES ('block_types', json_build_object('sha256', $1::text))
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated = now();

-- name: block_type_by_id
SELECT id, created, updated, name, slug, logo_url, documentation_url, description, code_example, is_protected
  FROM block_type WHERE id = $1;

-- name: block_type_by_slug
SELECT id, created, updated, name, slug, logo_url, documentation_url, description, code_example, is_protected
  FROM block_type WHERE slug = $1;

-- name: block_type_update
-- $1 id; then for logo, documentation, description and example: whether it is given, and the value.
UPDATE block_type
   SET logo_url = CASE WHEN $2::boolean THEN $3 ELSE logo_url END,
       documentation_url = CASE WHEN $4::boolean THEN $5 ELSE documentation_url END,
       description = CASE WHEN $6::boolean THEN $7 ELSE description END,
       code_example = CASE WHEN $8::boolean THEN $9 ELSE code_example END,
       updated = now()
 WHERE id = $1
RETURNING id;

-- name: block_type_delete
DELETE FROM block_type WHERE id = $1 AND NOT is_protected RETURNING id;

-- name: block_schema_insert
-- $1 id, $2 checksum, $3 fields, $4 block type, $5 capabilities, $6 version.  No row when there is one.
INSERT INTO block_schema (id, checksum, fields, block_type_id, capabilities, version)
VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (checksum, version) DO NOTHING
RETURNING id;

-- name: block_schema_link
-- $1 parent, $2 nested schema, $3 member.
INSERT INTO block_schema_reference (parent_block_schema_id, reference_block_schema_id, name)
VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- name: block_schema_by_checksum
-- $1 checksum, $2 version or NULL for any: the newest.
SELECT id FROM block_schema
 WHERE checksum = $1 AND ($2::text IS NULL OR version = $2)
 ORDER BY created DESC, id LIMIT 1;

-- name: block_schema_edges
-- $1 schemas: which schemas are nested in them, directly or not.
WITH RECURSIVE edge AS (
    SELECT parent_block_schema_id AS parent, name, reference_block_schema_id AS child
      FROM block_schema_reference WHERE parent_block_schema_id = ANY($1::uuid[])
     UNION
    SELECT r.parent_block_schema_id, r.name, r.reference_block_schema_id
      FROM edge JOIN block_schema_reference r ON r.parent_block_schema_id = edge.child
)
SELECT parent, name, child FROM edge;

-- name: block_schemas_by_id
-- $1 ids.
SELECT bs.id, bs.created, bs.updated, bs.checksum, bs.fields, bs.block_type_id, bs.capabilities, bs.version,
       bt.id, bt.created, bt.updated, bt.name, bt.slug, bt.logo_url, bt.documentation_url, bt.description,
       bt.code_example, bt.is_protected
  FROM block_schema bs JOIN block_type bt ON bt.id = bs.block_type_id
 WHERE bs.id = ANY($1::uuid[]);

-- name: block_schema_protection
-- $1 id: whether its type belongs to the system.
SELECT bt.is_protected FROM block_schema bs JOIN block_type bt ON bt.id = bs.block_type_id WHERE bs.id = $1;

-- name: block_schema_delete
DELETE FROM block_schema WHERE id = $1 RETURNING id;

-- name: block_capabilities
SELECT coalesce(jsonb_agg(DISTINCT capability), '[]')
  FROM block_schema, jsonb_array_elements_text(capabilities) capability;

-- name: block_document_insert
-- $1 id, $2 name, $3 data, $4 schema, $5 type, $6 anonymous.  No row when the name is taken.
INSERT INTO block_document (id, name, data, block_schema_id, block_type_id, is_anonymous)
VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (block_type_id, name) DO NOTHING
RETURNING id;

-- name: block_document_for_update
-- $1 id: data, schema, its secret fields, type.
SELECT bd.data, bd.block_schema_id, bs.fields -> 'secret_fields', bd.block_type_id
  FROM block_document bd JOIN block_schema bs ON bs.id = bd.block_schema_id
 WHERE bd.id = $1
   FOR UPDATE OF bd;

-- name: block_document_update
-- $1 id, $2 data, $3 schema.
UPDATE block_document SET data = $2, block_schema_id = $3, updated = now() WHERE id = $1 RETURNING id;

-- name: block_schema_type
-- $1 schema: its type.
SELECT block_type_id FROM block_schema WHERE id = $1;

-- name: block_document_unlink
-- $1 parent: forgets all its references.
DELETE FROM block_document_reference WHERE parent_block_document_id = $1;

-- name: block_document_link
-- $1 parent, $2 nested document, $3 member.
INSERT INTO block_document_reference (parent_block_document_id, reference_block_document_id, name) VALUES ($1, $2, $3);

-- name: block_document_reaches
-- $1 from, $2 to: whether references lead there.
WITH RECURSIVE reached AS (
    SELECT $1::uuid AS id
     UNION
    SELECT r.reference_block_document_id FROM reached JOIN block_document_reference r ON r.parent_block_document_id = reached.id
)
SELECT EXISTS (SELECT FROM reached WHERE id = $2::uuid);

-- name: block_document_edges
-- $1 documents: which documents are nested in them, directly or not.
WITH RECURSIVE edge AS (
    SELECT parent_block_document_id AS parent, name, reference_block_document_id AS child
      FROM block_document_reference WHERE parent_block_document_id = ANY($1::uuid[])
     UNION
    SELECT r.parent_block_document_id, r.name, r.reference_block_document_id
      FROM edge JOIN block_document_reference r ON r.parent_block_document_id = edge.child
)
SELECT parent, name, child FROM edge;

-- name: block_documents_by_id
-- $1 ids.
SELECT bd.id, bd.created, bd.updated, bd.name, bd.data, bd.block_schema_id, bd.block_type_id, bt.name, bd.is_anonymous,
       bt.id, bt.created, bt.updated, bt.name, bt.slug, bt.logo_url, bt.documentation_url, bt.description,
       bt.code_example, bt.is_protected
  FROM block_document bd JOIN block_type bt ON bt.id = bd.block_type_id
 WHERE bd.id = ANY($1::uuid[]);

-- name: block_document_by_name
-- $1 slug of the type, $2 name.
SELECT bd.id FROM block_document bd JOIN block_type bt ON bt.id = bd.block_type_id WHERE bt.slug = $1 AND bd.name = $2;

-- name: block_documents_of_type
-- $1 slug: documents that people see, by name.
SELECT bd.id FROM block_document bd JOIN block_type bt ON bt.id = bd.block_type_id
 WHERE bt.slug = $1 AND NOT bd.is_anonymous
 ORDER BY bd.name COLLATE "C";

-- name: block_document_delete
DELETE FROM block_document WHERE id = $1 RETURNING id;
