-- step: tools_told
-- needs: orchestration_events, authorization_decisions, params
-- about: For each tool without a mapping, what the decisions that an id ties to its calls were about, near each other in time
--        (`correlate.lookback`), each pair once.
CREATE OR REPLACE TABLE tools_told AS
WITH calls AS (
    SELECT tool_name, trace_id, decision_id, tool_call_id, request_id, event_time
    FROM orchestration_events
    WHERE event_type IN ('tool_call', 'data_access') AND action IS NULL AND tool_name IS NOT NULL
        AND coalesce(decision_id, tool_call_id, request_id) IS NOT NULL
),

answers AS (
    SELECT decision_id, source_decision_id, tool_call_id, request_id, trace_id, action, resource_type, decision_time
    FROM authorization_decisions
    WHERE action IS NOT NULL AND EXISTS (SELECT 1 FROM calls)
),

pairs AS (
    SELECT c.tool_name, d.action, d.resource_type, c.event_time, d.decision_time
    FROM calls AS c
    JOIN answers AS d ON d.decision_id = c.decision_id
    UNION ALL
    SELECT c.tool_name, d.action, d.resource_type, c.event_time, d.decision_time
    FROM calls AS c
    JOIN answers AS d ON d.source_decision_id = c.decision_id
    UNION ALL
    SELECT c.tool_name, d.action, d.resource_type, c.event_time, d.decision_time
    FROM calls AS c
    JOIN answers AS d ON d.tool_call_id = c.tool_call_id AND coalesce(d.trace_id = c.trace_id, true)
    UNION ALL
    SELECT c.tool_name, d.action, d.resource_type, c.event_time, d.decision_time
    FROM calls AS c
    JOIN answers AS d ON d.request_id IN (c.tool_call_id, c.request_id) AND coalesce(d.trace_id = c.trace_id, true)
)

SELECT DISTINCT p.tool_name, p.action, p.resource_type
FROM pairs AS p
CROSS JOIN params AS s
WHERE p.decision_time BETWEEN p.event_time - s.lookback AND p.event_time + s.lookback;
