-- Findings, triage, runs and grants made up from the events of a lake; see `benchmarks/_findings_lake.py`.
-- Variables: share (of the events, in a million) and most (findings).
CREATE TABLE chosen AS
SELECT event_id, event_time, tenant_id, environment, agent_name, trace_id, action, resource_type, resource_id,
    row_number() OVER (ORDER BY hash(event_id)) AS n
FROM orchestration_events
WHERE event_type = 'tool_call' AND hash(event_id) % 1000000 < getvariable('share')
QUALIFY n <= getvariable('most');

-- One in a hundred is critical, one in nine high.
CREATE TABLE made AS
SELECT
    md5(event_id) AS finding_id, 1 AS revision, 'open' AS status,
    printf('%02d', n % 15 + 1) AS rule_id, '1.0.0' AS rule_version, 'rule-' || (n % 15 + 1) AS rule_name,
    CASE WHEN n % 100 < 1 THEN 'critical' WHEN n % 100 < 12 THEN 'high' WHEN n % 100 < 60 THEN 'medium' ELSE 'low' END
        AS level,
    0.5 + (n % 50) / 100 AS confidence,
    agent_name || ' ran ' || action || ' on ' || coalesce(resource_id, '?') AS title,
    'A decision was expected and none was found: look at the run and ask its owner.' AS explanation,
    tenant_id, environment, agent_name AS agent, trace_id, action, resource_type, resource_id,
    'unbacked' AS verdict, 'no_decision' AS reason,
    [agent_name, action] AS entity_keys, [event_id] AS anchor_event_ids, []::VARCHAR[] AS decision_ids,
    '{"uses": 3, "gap_seconds": 12.5}' AS evidence,
    event_time AS first_seen_time, event_time AS last_seen_time, event_time + INTERVAL 10 MINUTE AS recorded_time,
    'run-' || (n % 15) AS run_id, n
FROM chosen;

-- One in twelve has a second state.
CREATE TABLE made_findings AS
SELECT * EXCLUDE (n) FROM made
UNION ALL
SELECT * EXCLUDE (n) REPLACE (2 AS revision, 'updated' AS status, recorded_time + INTERVAL 1 HOUR AS recorded_time)
FROM made
WHERE n % 12 = 0;

-- One in ten was worked on, a third of those to the end.
CREATE TABLE made_triage AS
SELECT
    md5('t' || finding_id) AS triage_id, finding_id, 1 AS version,
    CASE WHEN n % 3 = 0 THEN 'closed' ELSE 'in_progress' END AS status, 'analyst-' || (n % 7) AS assignee,
    CASE WHEN n % 3 = 0 THEN 'expected' END AS disposition, 'Looked at.' AS comment, 'analyst-' || (n % 7) AS actor,
    recorded_time + INTERVAL 2 HOUR AS triage_time
FROM made
WHERE n % 10 = 0;

CREATE TABLE made_runs AS
SELECT
    'run-' || r || '-' || i AS run_id, printf('%02d', r) AS rule_id, '1.0.0' AS rule_version,
    (SELECT max(recorded_time) FROM made) - INTERVAL 5 MINUTE * i AS start_time, 850.0 AS duration_ms,
    '{}' AS input_versions, 12 AS findings, 3 AS written, 'ok' AS outcome
FROM range(1, 16) AS rules (r)
CROSS JOIN range(500) AS turns (i);

-- Nine permissions for each agent, held for long.
CREATE TABLE made_identity_events AS
WITH held AS (
    SELECT agents.tenant_id, agents.agent, kinds.kind || '.' || verbs.verb AS scope,
        row_number() OVER (ORDER BY tenant_id, agent, scope) AS n
    FROM (SELECT DISTINCT tenant_id, agent FROM made) AS agents
    CROSS JOIN (SELECT unnest(['customer', 'payment', 'database']) AS kind) AS kinds
    CROSS JOIN (SELECT unnest(['read', 'update', 'delete']) AS verb) AS verbs
)

SELECT
    'g-' || n AS event_id, 'g-' || n AS grant_id, 'grant' AS event_type,
    (SELECT min(first_seen_time) FROM made) - INTERVAL 120 DAY AS event_time, tenant_id, agent AS agent_name, scope,
    true AS standing, 2 AS sensitivity, 'native' AS source_format, 'grants' AS source_topic, 0 AS source_partition,
    n AS source_offset, 0 AS source_index, (SELECT min(first_seen_time) FROM made) AS ingest_time,
    'x'::BLOB AS raw_sha256
FROM held;
