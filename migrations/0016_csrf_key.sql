-- What CSRF tokens are proven with: one key, made by the server that asks first, so that every server of this
-- database accepts a token that another one gave out.  It protects nothing that who reads it cannot read anyway.
CREATE TABLE csrf_key (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    key    bytea NOT NULL DEFAULT sha256((gen_random_uuid()::text || gen_random_uuid()::text)::bytea)
);
