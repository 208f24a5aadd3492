-- What the tables hold of the records in `wanted`.
WITH rows_of_tables AS (
    SELECT 'orchestration_events' AS name, source_topic, source_partition, source_offset, source_index
    FROM orchestration_events
    UNION ALL
    SELECT 'authorization_decisions', source_topic, source_partition, source_offset, source_index
    FROM authorization_decisions
    UNION ALL
    SELECT 'identity_events', source_topic, source_partition, source_offset, source_index
    FROM identity_events
)

SELECT t.name, t.source_topic, t.source_partition, t.source_offset, t.source_index
FROM rows_of_tables AS t
SEMI JOIN wanted AS w
    ON w.source_topic = t.source_topic AND w.source_partition = t.source_partition AND w.source_offset = t.source_offset;
