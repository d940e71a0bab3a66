-- name: api_key_insert
-- $1 id, $2 name, $3 SHA-256 in hexadecimal, $4 expires.  Columns of api_key_resource.
INSERT INTO api_key (id, name, hash, expires) VALUES ($1, $2, decode($3, 'hex'), $4) RETURNING id, created, name, expires;

-- name: api_key_by_name
SELECT id, created, name, expires FROM api_key WHERE name = $1;

-- name: api_key_delete
DELETE FROM api_key WHERE name = $1 RETURNING id;

-- name: api_key_hashes
SELECT encode(hash, 'hex'), expires FROM api_key WHERE expires IS NULL OR expires > now();

-- name: csrf_token_put
-- $1 id of a new one, $2 client, $3 token, $4 expiration.  Columns of csrf_token_resource.
WITH gone AS (DELETE FROM csrf_token WHERE expiration < now() AND client <> $2)
INSERT INTO csrf_token (id, client, token, expiration) VALUES ($1, $2, $3, $4)
    ON CONFLICT (client) DO UPDATE SET token = excluded.token, expiration = excluded.expiration, updated = now()
RETURNING id, created, updated, token, client, expiration;

-- name: csrf_key
-- Made when there is none.  64 hexadecimal digits.
INSERT INTO csrf_key DEFAULT VALUES ON CONFLICT (single) DO UPDATE SET single = true RETURNING encode(key, 'hex');

-- name: csrf_token_list
SELECT client, token FROM csrf_token WHERE expiration > now();
