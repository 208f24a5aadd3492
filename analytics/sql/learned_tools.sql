-- step: learned_tools
-- needs: orchestration_events, authorization_decisions
-- about: What a tool without a mapping does, where all decisions that an id ties to its calls say the same.
CREATE OR REPLACE TABLE learned_tools AS
WITH calls AS (
    SELECT tool_name, trace_id, decision_id, tool_call_id, request_id
    FROM orchestration_events
    WHERE event_type IN ('tool_call', 'data_access') AND action IS NULL AND tool_name IS NOT NULL
        AND coalesce(decision_id, tool_call_id, request_id) IS NOT NULL
),

answers AS (
    SELECT decision_id, source_decision_id, tool_call_id, request_id, trace_id, action, resource_type
    FROM authorization_decisions
    WHERE action IS NOT NULL AND EXISTS (SELECT 1 FROM calls)
),

pairs AS (
    SELECT c.tool_name, d.action, d.resource_type
    FROM calls AS c
    JOIN answers AS d ON d.decision_id = c.decision_id
    UNION
    SELECT c.tool_name, d.action, d.resource_type
    FROM calls AS c
    JOIN answers AS d ON d.source_decision_id = c.decision_id
    UNION
    SELECT c.tool_name, d.action, d.resource_type
    FROM calls AS c
    JOIN answers AS d ON d.tool_call_id = c.tool_call_id AND coalesce(d.trace_id = c.trace_id, true)
    UNION
    SELECT c.tool_name, d.action, d.resource_type
    FROM calls AS c
    JOIN answers AS d ON d.request_id IN (c.tool_call_id, c.request_id) AND coalesce(d.trace_id = c.trace_id, true)
)

SELECT tool_name, min(action) AS action, min(resource_type) AS resource_type
FROM pairs
GROUP BY tool_name
HAVING min(action) = max(action) AND min(resource_type) = max(resource_type);
