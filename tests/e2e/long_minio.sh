#!/bin/bash
# What test_s3.sh does, against MinIO: built with Go out of its module (minutes, once), kept in the user's cache folder.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/e2e/s3_server.sh
why=$(s3_missing_minio)
[ -z "$why" ] || { echo "skipped: $why"; exit 77; }
s3_build_minio || { echo "skipped: MinIO could not be built out of its module"; exit 77; }
S3_START=s3_start_minio exec tests/e2e/test_s3.sh
