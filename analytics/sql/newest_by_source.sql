-- step: newest_by_source
-- needs: authorization_decisions, orchestration_events
-- about: Per stream and partition the newest time that an event or a decision tells.
CREATE OR REPLACE TABLE newest_by_source AS
SELECT 'authorization' AS stream, source_topic, source_partition, max(decision_time) AS newest_time
FROM authorization_decisions
GROUP BY ALL
UNION ALL
SELECT 'orchestration', source_topic, source_partition, max(event_time) FILTER (WHERE NOT time_estimated)
FROM orchestration_events
GROUP BY ALL;
