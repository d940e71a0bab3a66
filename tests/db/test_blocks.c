/* Blocks, variables and artifacts against a real PostgreSQL (tests/db/with-postgres.sh). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/db/db.h"
#include "server/model/block_system.h"
#include "server/secrets.h"
#include "server/server.h"
#include "server/store/artifacts.h"
#include "server/store/block_documents.h"
#include "server/store/block_schemas.h"
#include "server/store/block_types.h"
#include "server/store/saved_searches.h"
#include "server/store/variables.h"
#include "tests/db/fixture.h"

static struct fixture f;
static char folder[64];

static void setup(void)
{
    snprintf(folder, sizeof(folder), "/tmp/sy-blocks.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    fixture_setup(&f);
    ck_assert_int_eq(secrets_open(folder, &f.server.secrets, &f.work.err), ERR_OK);
}

static void teardown(void)
{
    char path[96];

    secrets_close(f.server.secrets);
    fixture_teardown(&f);
    snprintf(path, sizeof(path), "%s/secrets.key", folder);
    unlink(path);
    rmdir(folder);
}

static void *decoded(const struct resource *r, const char *body)
{
    void *out = arena_alloc(&f.work.arena, 1, r->size, _Alignof(max_align_t));
    ck_assert_msg(json_decode_text(&f.work.arena, r, body, strlen(body), out, &f.work.err) ==
                      ERR_OK,
                  "%s: %s", body, f.work.err.detail);
    return out;
}

#define ok(call) ck_assert_msg((call) == ERR_OK, "%s", f.work.err.detail)
#define refused(call, name, text)                                                                  \
    do {                                                                                           \
        f.work.err = (struct err){0};                                                              \
        ck_assert_int_eq((call), ERR_##name);                                                      \
        ck_assert_str_eq(f.work.err.detail, text);                                                 \
    } while (0)

static struct uuid id_at(const struct rows *rows)
{
    struct uuid id;
    ck_assert(rows->count > 0 && uuid_parse(rows_text(rows, 0, 0), rows_len(rows, 0, 0), &id));
    return id;
}

static struct uuid make_type(const char *slug)
{
    struct rows rows;
    char body[128];
    snprintf(body, sizeof(body), "{\"name\":\"%s\",\"slug\":\"%s\"}", slug, slug);
    ok(block_type_create(&f.work, decoded(&block_type_create_resource, body), &rows));
    return id_at(&rows);
}

static struct uuid make_schema(struct uuid type, const char *fields, bool created)
{
    struct block_schema in = {
        .fields = {fields, strlen(fields)}, .block_type_id = type, .version = "1"};
    struct uuid id;
    bool is_new;
    in.capabilities.items = arena_array(&f.work.arena, const char *, 1);
    ok(block_schema_create(&f.work, &in, &id, &is_new));
    ck_assert_int_eq(is_new, created);
    return id;
}

static enum err_code create(struct uuid type, struct uuid schema, const char *name,
                            const char *data, struct uuid *out)
{
    struct block_document in = {.name = name,
                                .data = {data, strlen(data)},
                                .block_schema_id = schema,
                                .block_type_id = type};
    return block_document_create(&f.work, &in, out);
}

static enum err_code change(struct uuid id, const char *body)
{
    return block_document_update(&f.work, id, decoded(&block_document_update_resource, body));
}

/* The `data` that a reader gets. */
static const char *data_of(struct uuid id, bool include_secrets)
{
    struct block_set documents = {0}, schemas = {0};
    struct buf b = {.max_bytes = 1 << 20};
    struct doc *d = arena_new(&f.work.arena, struct doc);
    struct doc_error error;
    char text[UUID_TEXT_BYTES];

    ok(block_documents_load(&f.work, (struct uuids){&id, 1}, &documents, &schemas));
    if (!include_secrets)
        block_documents_hide(&f.work.arena, &documents, &schemas);
    uuid_format(id, text);
    const struct block_row *row = block_find(&documents, text);
    ck_assert_ptr_nonnull(row);
    block_document_write(&f.work.arena, &b, &documents, &schemas, row);
    const char *copy = arena_strndup(&f.work.arena, b.bytes, b.len);
    size_t len = b.len;
    buf_free(&b);
    ck_assert(doc_parse(&f.work.arena, copy, len, d, &error));
    struct raw data = val_raw(val_get(doc_root(d), "data"));
    return arena_strndup(&f.work.arena, data.text, data.len);
}

static const char secret_fields[] =
    "{\"title\":\"T\",\"properties\":{\"pw\":{}},\"secret_fields\":[\"pw\"]}";

START_TEST(secrets_are_unreadable_in_the_database)
{
    struct uuid type = make_type("t"), schema = make_schema(type, secret_fields, true), id;
    struct rows rows;

    ok(create(type, schema, "d", "{\"pw\":\"hunter2\",\"n\":1}", &id));
    ck_assert_str_eq(data_of(id, false), "{\"pw\":\"********\",\"n\":1}");
    ck_assert_str_eq(data_of(id, true), "{\"pw\":\"hunter2\",\"n\":1}");
    ok(db_query_text(
        &f.work, "SELECT count(*) FROM block_document WHERE encode(data, 'escape') ~ 'hunter|pw'",
        0, NULL, &rows));
    ck_assert_int_eq(rows_i64(&rows, 0, 0), 0);
}
END_TEST

START_TEST(the_data_of_one_document_does_not_open_as_another)
{
    struct uuid type = make_type("t"), schema = make_schema(type, secret_fields, true), a, b;
    struct block_set documents = {0}, schemas = {0};

    ok(create(type, schema, "a", "{\"pw\":\"x\"}", &a));
    ok(create(type, schema, "b", "{\"pw\":\"y\"}", &b));
    ok(db_script(&f.work,
                 "UPDATE block_document SET data = (SELECT data FROM block_document WHERE name "
                 "= 'a') WHERE name = 'b'"));
    ck_assert_int_eq(block_documents_load(&f.work, (struct uuids){&b, 1}, &documents, &schemas),
                     ERR_INTERNAL);
}
END_TEST

START_TEST(a_change_keeps_what_was_not_shown)
{
    struct uuid type = make_type("t"), schema = make_schema(type, secret_fields, true), id;

    ok(create(type, schema, "d", "{\"pw\":\"s\",\"n\":1}", &id));
    ok(change(id, "{\"data\":{\"pw\":\"********\",\"n\":2}}"));
    ck_assert_str_eq(data_of(id, true), "{\"pw\":\"s\",\"n\":2}");
    ok(change(id, "{\"data\":{\"m\":3},\"merge_existing_data\":false}"));
    ck_assert_str_eq(data_of(id, true), "{\"m\":3}");
    ok(change(id, "{}"));
    ck_assert_str_eq(data_of(id, true), "{\"m\":3}");
}
END_TEST

START_TEST(names_are_unique_within_a_type)
{
    struct uuid type = make_type("t"), schema = make_schema(type, secret_fields, true), id;
    struct rows rows;

    ok(create(type, schema, "d", "{}", &id));
    refused(create(type, schema, "d", "{}", &id), CONFLICT, "Block already exists");
    refused(block_type_create(
                &f.work, decoded(&block_type_create_resource, "{\"name\":\"T\",\"slug\":\"t\"}"),
                &rows),
            CONFLICT, "Block type with name \"T\" already exists");
    make_schema(type, secret_fields, false); /* found, not made again */
}
END_TEST

static const char reference[] = "{\"in\":{\"$ref\":{\"block_document_id\":\"%s\"}}}";

START_TEST(nested_documents_are_shown_in_their_place)
{
    struct uuid type = make_type("t"), schema = make_schema(type, secret_fields, true), inner,
                outer;
    char id[UUID_TEXT_BYTES], data[128];

    ok(create(type, schema, "in", "{\"pw\":\"s\"}", &inner));
    uuid_format(inner, id);
    snprintf(data, sizeof(data), reference, id);
    ok(create(type, schema, "out", data, &outer));
    ck_assert_str_eq(data_of(outer, false), "{\"in\":{\"pw\":\"********\"}}");
    ck_assert_str_eq(data_of(outer, true), "{\"in\":{\"pw\":\"s\"}}");
    ok(block_document_delete(&f.work, inner));
    ck_assert_str_eq(data_of(outer, true), "{}");
}
END_TEST

START_TEST(references_that_lead_back_are_refused)
{
    struct uuid type = make_type("t"), schema = make_schema(type, secret_fields, true), a, b;
    char id[UUID_TEXT_BYTES], data[128], body[192];

    ok(create(type, schema, "a", "{\"n\":1}", &a));
    uuid_format(a, id);
    snprintf(data, sizeof(data), reference, id);
    ok(create(type, schema, "b", data, &b));
    uuid_format(b, id);
    snprintf(data, sizeof(data), reference, id);
    snprintf(body, sizeof(body), "{\"data\":%s}", data);
    ck_assert_int_eq(change(a, body), ERR_BAD_REQUEST);
    ck_assert_ptr_nonnull(strstr(f.work.err.detail, "cycle"));
    ck_assert_str_eq(data_of(a, true), "{\"n\":1}"); /* nothing of it was kept */
}
END_TEST

/* Each document has the one before it twice, so the last one would have 2^20 of the first. */
START_TEST(documents_that_multiply_are_not_written_out)
{
    struct uuid type = make_type("t"), schema = make_schema(type, secret_fields, true), last;
    struct block_set documents = {0}, schemas = {0};
    struct buf b = {.max_bytes = 64 << 20};
    char id[UUID_TEXT_BYTES], name[16];

    ok(create(type, schema, "d0", "{\"pw\":\"s\"}", &last));
    for (int i = 1; i <= 20; i++) {
        uuid_format(last, id);
        snprintf(name, sizeof(name), "d%d", i);
        ok(create(type, schema, name,
                  arena_printf(&f.work.arena,
                               "{\"a\":{\"$ref\":{\"block_document_id\":\"%s\"}},\"b\":{\"$ref\":{"
                               "\"block_document_id\":\"%s\"}}}",
                               id, id),
                  &last));
    }
    ok(block_documents_load(&f.work, (struct uuids){&last, 1}, &documents, &schemas));
    uuid_format(last, id);
    block_document_write(&f.work.arena, &b, &documents, &schemas, block_find(&documents, id));
    ck_assert(b.full);
    ck_assert_uint_lt(f.work.arena.used_bytes, ARENA_MAX_BYTES / 4);
    buf_free(&b);
}
END_TEST

START_TEST(a_document_stays_with_its_type)
{
    struct uuid type = make_type("t"), other = make_type("u"), id;
    struct uuid schema = make_schema(type, secret_fields, true);
    struct uuid foreign = make_schema(other, "{\"title\":\"U\"}", true);
    char text[UUID_TEXT_BYTES], body[128];

    ok(create(type, schema, "d", "{}", &id));
    uuid_format(foreign, text);
    snprintf(body, sizeof(body), "{\"block_schema_id\":\"%s\",\"data\":{}}", text);
    refused(change(id, body), BAD_REQUEST,
            "Must migrate block document to a block schema of the same block type.");
}
END_TEST

static const char *one_text(const char *sql)
{
    struct rows rows;
    ok(db_query_text(&f.work, sql, 0, NULL, &rows));
    return rows_text(&rows, 0, 0);
}

START_TEST(blocks_of_the_system_cannot_be_deleted)
{
    struct rows rows;

    ok(block_types_install_system(&f.work));
    ok(block_type_get_by_slug(&f.work, "secret", &rows));
    refused(block_type_delete(&f.work, id_at(&rows)), FORBIDDEN,
            "protected block types cannot be deleted.");
    ok(block_type_get_by_slug(&f.work, "slack-credentials", &rows));
    ok(block_type_delete(&f.work, id_at(&rows)));
}
END_TEST

/* Every row with its times and place: a second start writes nothing. */
static const char whole[] =
    "SELECT md5((SELECT string_agg(t::text || t.ctid, ',' ORDER BY t.id) FROM block_type t) ||"
    " (SELECT string_agg(s::text || s.ctid, ',' ORDER BY s.id) FROM block_schema s) ||"
    " (SELECT string_agg(r::text || r.ctid, ',' ORDER BY r::text) FROM block_schema_reference r))";

START_TEST(blocks_of_the_system_are_installed_once)
{
    struct block_systems all;
    struct uuid id;
    struct rows rows;

    ok(block_types_install_system(&f.work));
    ok(block_systems_read(&f.work.arena, &all, &f.work.err));
    for (size_t i = 0; i < all.count; i++)
        ok(block_schema_find(&f.work, all.items[i].schema.checksum, all.items[i].schema.version,
                             &id));
    ck_assert_str_eq(one_text("SELECT count(*) FROM block_type"), "54");
    ck_assert_str_eq(one_text("SELECT count(*) FROM block_schema WHERE version <> 'non-versioned'"),
                     "54");
    ck_assert_str_eq(one_text("SELECT string_agg(c.slug, ' ' ORDER BY c.slug) FROM block_type p "
                              "JOIN block_schema ps ON ps.block_type_id = p.id "
                              "JOIN block_schema_reference r ON r.parent_block_schema_id = ps.id "
                              "JOIN block_schema s ON s.id = r.reference_block_schema_id "
                              "JOIN block_type c ON c.id = s.block_type_id "
                              "WHERE p.slug = 's3-bucket'"),
                     "aws-credentials minio-credentials");
    const char *before = one_text(whole);
    ok(block_types_install_system(&f.work)); /* again at every start */
    ck_assert_str_eq(one_text(whole), before);
    ok(block_type_get_by_slug(&f.work, "smb", &rows));
    ok(block_type_delete(&f.work, id_at(&rows)));
    ok(block_types_install_system(&f.work)); /* what was deleted is here again */
    ok(block_type_get_by_slug(&f.work, "smb", &rows));
}
END_TEST

/* A client that names a schema which is here already gets that one. */
START_TEST(what_a_schema_of_the_system_reads_back_has_its_checksum)
{
    struct block_set schemas = {0};
    struct block_systems all;
    char id[UUID_TEXT_BYTES];

    ok(block_types_install_system(&f.work));
    ok(block_systems_read(&f.work.arena, &all, &f.work.err));
    for (size_t i = 0; i < all.count; i++) {
        struct block_schema *in = &all.items[i].schema;
        struct rows rows;
        struct uuid made;
        bool created;
        ok(block_type_get_by_slug(&f.work, all.items[i].type.slug, &rows));
        in->block_type_id = id_at(&rows);
        ok(block_schema_create(&f.work, in, &made, &created));
        ck_assert_msg(!created, "%s", all.items[i].type.slug);
        ok(block_schemas_load(&f.work, (struct uuids){&made, 1}, &schemas));
        uuid_format(made, id);
        ck_assert_str_eq(block_find(&schemas, id)->columns[3].text, in->checksum);
    }
}
END_TEST

START_TEST(the_latest_artifact_follows_deletions)
{
    struct rows first, second, rows;

    ok(artifact_create(&f.work, decoded(&artifact_create_resource, "{\"key\":\"k\",\"data\":1}"),
                       &first));
    ok(artifact_create(&f.work, decoded(&artifact_create_resource, "{\"key\":\"k\",\"data\":2}"),
                       &second));
    ok(artifact_get_latest(&f.work, "k", &rows));
    ck_assert_str_eq(rows_text(&rows, 0, 6), "2");
    ok(artifact_delete(&f.work, id_at(&second)));
    ok(artifact_get_latest(&f.work, "k", &rows));
    ck_assert_str_eq(rows_text(&rows, 0, 6), "1");
    ok(artifact_delete(&f.work, id_at(&first)));
    refused(artifact_get_latest(&f.work, "k", &rows), NOT_FOUND, "Artifact not found.");
}
END_TEST

START_TEST(variables_change_only_what_is_given)
{
    struct rows rows;

    ok(variable_create(
        &f.work,
        decoded(&variable_create_resource, "{\"name\":\"v\",\"value\":{\"a\":1},\"tags\":[\"t\"]}"),
        &rows));
    struct uuid id = id_at(&rows);
    ok(variable_update(&f.work, id, decoded(&variable_update_resource, "{\"value\":null}")));
    ok(variable_get_by_name(&f.work, "v", &rows));
    ck_assert_str_eq(rows_text(&rows, 0, 4), "null");
    ck_assert_str_eq(rows_text(&rows, 0, 5), "[\"t\"]");
    refused(variable_create(
                &f.work, decoded(&variable_create_resource, "{\"name\":\"v\",\"value\":1}"), &rows),
            CONFLICT, "A variable with the name 'v' already exists.");
    ok(variable_delete_by_name(&f.work, "v"));
    refused(variable_get(&f.work, id, &rows), NOT_FOUND, "Variable not found.");
}
END_TEST

START_TEST(a_saved_search_is_replaced_by_name)
{
    static const char body[] = "{\"name\":\"s\",\"filters\":[{\"object\":\"a\",\"property\":\"b\","
                               "\"type\":\"c\",\"operation\":\"d\",\"value\":[1]}]}";
    struct rows rows;
    bool created;

    ok(saved_search_put(&f.work, decoded(&saved_search_create_resource, body), &rows, &created));
    ck_assert(created);
    ck_assert_ptr_nonnull(strstr(rows_text(&rows, 0, 4), "\"value\":[1]"));
    ok(saved_search_put(&f.work, decoded(&saved_search_create_resource, "{\"name\":\"s\"}"), &rows,
                        &created));
    ck_assert(!created);
    ck_assert_str_eq(rows_text(&rows, 0, 4), "[]");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blocks");
    TCase *t = tcase_create("blocks");
    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, secrets_are_unreadable_in_the_database);
    tcase_add_test(t, the_data_of_one_document_does_not_open_as_another);
    tcase_add_test(t, a_change_keeps_what_was_not_shown);
    tcase_add_test(t, names_are_unique_within_a_type);
    tcase_add_test(t, nested_documents_are_shown_in_their_place);
    tcase_add_test(t, references_that_lead_back_are_refused);
    tcase_add_test(t, documents_that_multiply_are_not_written_out);
    tcase_add_test(t, a_document_stays_with_its_type);
    tcase_add_test(t, blocks_of_the_system_cannot_be_deleted);
    tcase_add_test(t, blocks_of_the_system_are_installed_once);
    tcase_add_test(t, what_a_schema_of_the_system_reads_back_has_its_checksum);
    tcase_add_test(t, the_latest_artifact_follows_deletions);
    tcase_add_test(t, variables_change_only_what_is_given);
    tcase_add_test(t, a_saved_search_is_replaced_by_name);
    suite_add_tcase(s, t);
    return fixture_run_suite(s);
}
