#!/usr/bin/env python3
"""Writes server/model/block_types.json: the block types that a Prefect server registers at its start.

    PYTHON tools/make_block_types.py > server/model/block_types.json      PYTHON: one that has Prefect 3.9.1

Names, slugs, capabilities, versions and schemas are Prefect's (Apache-2.0) to the letter: an SDK looks schemas up by
their checksum.  What a type is for is said in our own words; the example is one line that loads a block; the
logo is a drawing of our own for the kind of thing it is (web/logos), without an address: the server puts its own before it.
Types stand in the order in which Prefect registers them, one on a line: schemas that are nested in those before their
own types are made from what these say of them.
"""
import json
import re
from pathlib import Path

import prefect
import prefect.server.models.block_registration  # loads what the server would have loaded
from prefect.blocks.core import Block
from prefect.client.schemas.actions import BlockTypeCreate
from prefect.utilities.dispatch import get_registry_for_type

PROTECTED = {"secret", "webhook", "local-file-system"}

WORDS = {
    "aws-credentials": "Keys, profile or role with which tasks sign in to AWS.",
    "aws-secret": "One secret of AWS Secrets Manager: read, write, delete.",
    "azure-blob-storage-container": "A container of Azure Blob Storage, for files and folders.",
    "azure-blob-storage-credentials": "Connection string or account with which tasks reach Azure Blob Storage.",
    "azure-container-instance-credentials": "Service principal with which tasks start Azure Container Instances.",
    "azure-cosmos-db-credentials": "Connection string of an Azure Cosmos DB.",
    "azureml-credentials": "Service principal and workspace for Azure Machine Learning.",
    "bigquery-warehouse": "A BigQuery connection with a cursor: queries, many rows at a time.",
    "bitbucket-credentials": "Token and user for private repositories on Bitbucket.",
    "bitbucket-repository": "A repository on Bitbucket, to take files from.",
    "custom-webhook": "Notifies by any HTTP request: method, address, headers and body are templates.",
    "database-credentials": "Driver, host, user and password of a database for SQLAlchemy.",
    "databricks-credentials": "Instance and token (or service principal) for Databricks.",
    "dbt-cli-bigquery-target-configs": "dbt target for BigQuery, with its credentials.",
    "dbt-cli-global-configs": "What dbt shows, caches and warns about in every command.",
    "dbt-cli-postgres-target-configs": "dbt target for PostgreSQL, with its credentials.",
    "dbt-cli-profile": "A dbt profile: targets and global settings under one name.",
    "dbt-cli-snowflake-target-configs": "dbt target for Snowflake, with its connector.",
    "dbt-cli-target-configs": "dbt target for any other warehouse.",
    "dbt-cloud-credentials": "Account and API key for dbt Cloud.",
    "dbt-core-operation": "A list of dbt commands, run with a profile in a project folder.",
    "discord-webhook": "Notifies a channel of Discord.",
    "docker-host": "A Docker daemon: its address, version and time limit.",
    "docker-registry-credentials": "User and password for a registry of container images.",
    "email-server-credentials": "Mail server (SMTP) with user and password.",
    "gcp-credentials": "Service account with which tasks sign in to Google Cloud.",
    "gcpsecret": "One secret of Google Cloud Secret Manager: read, write, delete.",
    "gcs-bucket": "A bucket of Google Cloud Storage, for files and folders.",
    "github-credentials": "Token for private repositories on GitHub.",
    "github-repository": "A repository on GitHub, to take files from.",
    "gitlab-credentials": "Token for private repositories on GitLab.",
    "gitlab-repository": "A repository on GitLab, to take files from.",
    "kubernetes-cluster-config": "The kubeconfig of a cluster and the context to use.",
    "kubernetes-credentials": "With which tasks reach a Kubernetes cluster; without a config, the one they run in.",
    "lambda-function": "A function of AWS Lambda, to be called.",
    "local-file-system": "A folder on the machine where the task runs.",
    "mattermost-webhook": "Notifies a channel of Mattermost.",
    "minio-credentials": "User and password of a MinIO server.",
    "ms-teams-webhook": "Notifies a channel of Microsoft Teams.",
    "opsgenie-webhook": "Raises an alert in Opsgenie.",
    "pager-duty-webhook": "Raises an event in PagerDuty.",
    "remote-file-system": "A folder on any storage that fsspec knows, chosen by the protocol of its address.",
    "s3-bucket": "A bucket of S3 or of a storage that speaks its protocol, for files and folders.",
    "secret": "One value that nobody should read by accident: shown as stars, stored encrypted.",
    "sendgrid-email": "Notifies by mail through Sendgrid.",
    "shell-operation": "A list of shell commands with their environment and folder.",
    "slack-credentials": "Token of a Slack app.",
    "slack-webhook": "Notifies a channel of Slack.",
    "smb": "A folder on an SMB share.",
    "snowflake-connector": "A connection to a database of Snowflake: queries, many rows at a time.",
    "snowflake-credentials": "Account, user and password, key or token for Snowflake.",
    "sqlalchemy-connector": "A database connection of SQLAlchemy: queries, many rows at a time.",
    "twilio-sms": "Notifies by text message through Twilio.",
    "webhook": "Calls an address with a JSON body; for automations and flows.",
}


# slug -> web/logos/NAME.svg; the first word that a slug has
LOGOS = {"aws-secret": "secret", "gcpsecret": "secret", "secret": "secret", "email": "mail", "sendgrid": "mail", "sms": "message", "slack-credentials": "message",
         "opsgenie": "alarm", "pager": "alarm", "custom-webhook": "webhook", "-webhook": "message", "webhook": "webhook",
         "repository": "repository", "kubernetes": "kubernetes", "docker": "docker", "file-system": "folder", "smb": "folder",
         "-bucket": "bucket", "storage-container": "bucket", "shell": "process", "dbt": "transform", "lambda": "function",
         "warehouse": "database", "connector": "database", "database": "database", "cosmos": "database", "credentials": "key"}


def logo(slug):
    return f"/logos/{next(name for word, name in LOGOS.items() if word in slug)}.svg"


def text(url):
    return None if url is None else str(url)


def entry(t, schema, checksum):
    """t: the type as Prefect has it; module and class of the example come from its own example."""
    example = t.get("code_example") or ""
    title = schema["fields"]["title"]
    modules = re.findall(r"from (\S+) import ((?:\w+, )*\w+)", example)
    module = next((m for m, names in modules if title in names.split(", ")), None) or modules[0][0]
    name = title if any(title in n for _, n in modules) else modules[0][1].split(", ")[0]
    package = module.split(".")[0].replace("_", "-")
    words = WORDS[t["slug"]] + ("" if package == "prefect" else f" Part of {package}: `pip install {package}`.")
    return {
        "type": {
            "name": t["name"],
            "slug": t["slug"],
            "logo_url": logo(t["slug"]),
            "documentation_url": text(t.get("documentation_url")),
            "description": words,
            "code_example": f'```python\nfrom {module} import {name}\n\nblock = {name}.load("BLOCK_NAME")\n```',
        },
        "is_protected": t["slug"] in PROTECTED,
        "version": schema["version"],
        "capabilities": sorted(schema["capabilities"]),
        "checksum": checksum,
        "fields": schema["fields"],
    }


def core():
    for c in (get_registry_for_type(Block) or {}).values():
        t = c._to_block_type().model_dump(include=set(BlockTypeCreate.model_fields))
        schema = json.loads(c._to_block_schema(block_type_id=None).model_dump_json())
        yield entry(t, schema, c._calculate_schema_checksum())


def collections():
    path = Path(prefect.__file__).parent / "server" / "collection_blocks_data.json"
    for collection in json.loads(path.read_text())["collections"].values():
        for t in collection["block_types"].values():
            yield entry(t, t["block_schema"], t["block_schema"]["checksum"])


def main():
    entries = {e["type"]["slug"]: e for e in [*core(), *collections()]}
    rows = ",\n".join(json.dumps(e, separators=(",", ":")) for e in entries.values())
    print(f'{{"source":"Prefect {prefect.__version__} (Apache-2.0)","blocks":[\n{rows}\n]}}')


main()
