-- The newest event and the newest reading of each table that ingest writes.
SELECT 'orchestration_events' AS name, max(event_time) FILTER (WHERE NOT time_estimated) AS newest_time,
    max(ingest_time) AS ingest_time
FROM orchestration_events
UNION ALL
SELECT 'authorization_decisions', max(decision_time), max(ingest_time) FROM authorization_decisions
UNION ALL
SELECT 'identity_events', max(event_time), max(ingest_time) FROM identity_events
UNION ALL
SELECT 'dead_letters', NULL, max(ingest_time) FROM dead_letters
UNION ALL
SELECT 'replays', NULL, max(replay_time) FROM replays
UNION ALL
SELECT 'stream_progress', NULL, max(observed_time) FROM stream_progress
UNION ALL
SELECT 'findings', max(last_seen_time), max(recorded_time) FROM findings
UNION ALL
SELECT 'triage', NULL, max(triage_time) FROM triage
UNION ALL
SELECT 'runs', NULL, max(start_time) FROM runs;
