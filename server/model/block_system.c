#include "server/model/block_system.h"

/* clang-format off */
const struct block_system block_systems[] = {
    {
        .type =
            "{\"name\":\"Secret\",\"slug\":\"secret\",\"logo_url\":\"https://raw.githubusercontent.co"
            "m/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9/assets/block-logos/secret.p"
            "ng\",\"documentation_url\":\"https://www.prefect.io/docs/latest/develop/blocks\",\"descr"
            "iption\":\"A block that represents a secret value. The value stored in this block will b"
            "e obfuscated when this block is viewed or edited in the UI.\",\"code_example\":\"```pyth"
            "on\\nfrom prefect.blocks.system import Secret\\n\\nSecret(value=\\\"sk-1234567890\\\").s"
            "ave(\\\"BLOCK_NAME\\\", overwrite=True)\\n\\nsecret_block = Secret.load(\\\"BLOCK_NAME"
            "\\\")\\n\\n# Access the stored secret\\nsecret_block.get()\\n```\"}",
        .fields =
            "{\"block_type_slug\":\"secret\",\"description\":\"A block that represents a secret value"
            ". The value stored in this block will be obfuscated when this block is viewed or edited "
            "in the UI.\",\"properties\":{\"value\":{\"anyOf\":[{\"format\":\"password\",\"type\":\"s"
            "tring\",\"writeOnly\":true},{\"title\":\"string\",\"type\":\"string\"},{\"$ref\":\"#/def"
            "initions/JsonValue\",\"title\":\"JSON\"}],\"description\":\"A value that should be kept "
            "secret.\",\"examples\":[\"sk-1234567890\",{\"password\":\"s3cr3t\",\"username\":\"johndo"
            "e\"}],\"format\":\"password\",\"title\":\"Value\",\"writeOnly\":true,\"position\":0}},\""
            "required\":[\"value\"],\"secret_fields\":[\"value\",\"value\"],\"title\":\"Secret\",\"ty"
            "pe\":\"object\",\"block_schema_references\":{}}",
        .version = "3.9.1",
    },
    {
        .type =
            "{\"name\":\"Webhook\",\"slug\":\"webhook\",\"logo_url\":\"https://raw.githubusercontent."
            "com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9/assets/block-logos/webhoo"
            "k.png\",\"documentation_url\":\"https://www.prefect.io/docs/latest/automate/events/webho"
            "ok-triggers\",\"description\":\"Block that enables calling webhooks.\",\"code_example\":"
            "\"```python\\nfrom prefect.blocks.webhook import Webhook\\n\\nwebhook_block = Webhook.lo"
            "ad(\\\"BLOCK_NAME\\\")\\n```\"}",
        .fields =
            "{\"block_type_slug\":\"webhook\",\"description\":\"Block that enables calling webhooks."
            "\",\"properties\":{\"method\":{\"default\":\"POST\",\"description\":\"The webhook reques"
            "t method. Defaults to `POST`.\",\"enum\":[\"GET\",\"POST\",\"PUT\",\"PATCH\",\"DELETE\"]"
            ",\"title\":\"Method\",\"type\":\"string\",\"position\":0},\"url\":{\"description\":\"The"
            " webhook URL.\",\"examples\":[\"https://hooks.slack.com/XXX\"],\"format\":\"password\","
            "\"title\":\"Webhook URL\",\"type\":\"string\",\"writeOnly\":true,\"position\":1},\"heade"
            "rs\":{\"description\":\"A dictionary of headers to send with the webhook request.\",\"ti"
            "tle\":\"Webhook Headers\",\"type\":\"object\",\"position\":2},\"allow_private_urls\":{\""
            "default\":true,\"description\":\"Whether to allow notifications to private URLs. Default"
            "s to True.\",\"title\":\"Allow Private Urls\",\"type\":\"boolean\",\"position\":3},\"ver"
            "ify\":{\"default\":true,\"description\":\"Whether or not to enforce a secure connection "
            "to the webhook.\",\"title\":\"Verify\",\"type\":\"boolean\",\"position\":4}},\"required"
            "\":[\"url\"],\"secret_fields\":[\"url\",\"headers.*\"],\"title\":\"Webhook\",\"type\":\""
            "object\",\"block_schema_references\":{}}",
        .version = "3.9.1",
    },
    {
        .type =
            "{\"name\":\"Local File System\",\"slug\":\"local-file-system\",\"logo_url\":\"https://ra"
            "w.githubusercontent.com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9/asset"
            "s/block-logos/filesystem.png\",\"documentation_url\":\"https://www.prefect.io/docs/lates"
            "t/develop/results#specifying-a-default-filesystem\",\"description\":\"Store data as a fi"
            "le on a local file system.\",\"code_example\":\"Load stored local file system config:\\n"
            "```python\\nfrom prefect.filesystems import LocalFileSystem\\n\\nlocal_file_system_block"
            " = LocalFileSystem.load(\\\"BLOCK_NAME\\\")\\n```\"}",
        .fields =
            "{\"block_type_slug\":\"local-file-system\",\"description\":\"Store data as a file on a l"
            "ocal file system.\",\"properties\":{\"basepath\":{\"anyOf\":[{\"type\":\"string\"},{\"ty"
            "pe\":\"null\"}],\"default\":null,\"description\":\"Default local path for this block to "
            "write to.\",\"title\":\"Basepath\",\"position\":0}},\"secret_fields\":[],\"title\":\"Loc"
            "alFileSystem\",\"type\":\"object\",\"block_schema_references\":{}}",
        .capabilities = {"write-path", "read-path", "put-directory", "get-directory"},
        .version = "3.9.1",
    },
};
/* clang-format on */
const size_t block_system_count = COUNT(block_systems);
