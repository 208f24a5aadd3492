-- The findings of `told` (finding_id, anchor_event_ids, decision_ids, entity_keys, first_seen_time) that the run has judged:
-- by the events that they rest on, and where there are none by their decisions or the hour; by their credential.
SELECT DISTINCT k.finding_id
FROM (
    SELECT finding_id, 'event' AS kind, unnest(anchor_event_ids) AS key FROM told
    UNION ALL
    SELECT finding_id, 'decision', unnest(decision_ids) FROM told WHERE len(anchor_event_ids) = 0
    UNION ALL
    SELECT finding_id, 'hour', CAST(CAST(epoch(date_trunc('hour', first_seen_time)) AS BIGINT) AS VARCHAR)
    FROM told
    WHERE len(anchor_event_ids) = 0
    UNION ALL
    SELECT finding_id, 'credential', unnest(entity_keys) FROM told
) AS k
JOIN judged AS j ON j.kind = k.kind AND j.key = key_of(k.key)
