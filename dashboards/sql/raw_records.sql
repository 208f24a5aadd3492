-- The records that the named events and decisions were read from, as they arrived. A record that holds several events
-- is kept on its first one.
WITH places AS (
    SELECT 'event' AS kind, event_id AS id, source_topic, source_partition, source_offset, raw_sha256
    FROM orchestration_events
    WHERE list_contains($event_ids::VARCHAR[], event_id)
    UNION ALL
    SELECT 'decision', decision_id, source_topic, source_partition, source_offset, raw_sha256
    FROM authorization_decisions
    WHERE list_contains($decision_ids::VARCHAR[], decision_id)
),

records AS (
    SELECT 'event' AS kind, source_topic, source_partition, source_offset, raw
    FROM orchestration_events
    WHERE raw IS NOT NULL AND source_offset IN (SELECT source_offset FROM places)
    UNION ALL
    SELECT 'decision', source_topic, source_partition, source_offset, raw
    FROM authorization_decisions
    WHERE raw IS NOT NULL AND source_offset IN (SELECT source_offset FROM places)
)

SELECT
    p.kind, p.id, p.source_topic, p.source_partition, p.source_offset, hex(p.raw_sha256) AS sha256,
    any_value(r.raw) AS raw
FROM places AS p
LEFT JOIN records AS r
    ON r.kind = p.kind AND r.source_topic = p.source_topic AND r.source_partition = p.source_partition
    AND r.source_offset = p.source_offset
GROUP BY ALL
ORDER BY p.kind DESC, p.id, p.source_topic, p.source_partition, p.source_offset
LIMIT 20;
