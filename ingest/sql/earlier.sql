-- What the tables hold of one partition from offset $first on.
WITH rows_of_tables AS (
    SELECT 'orchestration_events' AS name, source_topic, source_partition, source_offset, source_index, ingest_time
    FROM orchestration_events
    UNION ALL
    SELECT 'authorization_decisions', source_topic, source_partition, source_offset, source_index, ingest_time
    FROM authorization_decisions
    UNION ALL
    SELECT 'identity_events', source_topic, source_partition, source_offset, source_index, ingest_time
    FROM identity_events
    UNION ALL
    SELECT 'dead_letters', source_topic, source_partition, source_offset, source_index, ingest_time
    FROM dead_letters
)

SELECT name, source_offset, source_index, ingest_time
FROM rows_of_tables
WHERE source_topic = $topic AND source_partition = $partition AND source_offset >= $first;
