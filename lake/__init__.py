"""Delta tables on a disk or an object store: exactly-once append, snapshots, as-of, compaction and expiry."""
