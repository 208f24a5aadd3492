"""The lake on a real S3-compatible object store: a Versity S3 Gateway that is built once, into the cache."""
