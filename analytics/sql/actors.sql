-- step: actors
-- needs: events
-- about: The agent of each action whose event does not name one: that of the nearest enclosing span that does.
CREATE OR REPLACE TABLE actors AS
WITH nameless AS (
    SELECT event_id, trace_id, parent_key
    FROM events
    WHERE event_type IN ('tool_call', 'data_access')
        AND agent_name IS NULL AND agent_id IS NULL
        AND trace_id IS NOT NULL AND parent_key IS NOT NULL
),

spans AS (
    SELECT trace_id, span_key, parent_key, agent_name, agent_id
    FROM events
    WHERE span_key IS NOT NULL AND trace_id IN (SELECT trace_id FROM nameless)
)

SELECT
    n.event_id,
    n.trace_id,
    min(coalesce(p1.agent_name, p2.agent_name, p3.agent_name, p4.agent_name)) AS agent_name,
    min(coalesce(p1.agent_id, p2.agent_id, p3.agent_id, p4.agent_id)) AS agent_id
FROM nameless AS n
LEFT JOIN spans AS p1 ON p1.trace_id = n.trace_id AND p1.span_key = n.parent_key
LEFT JOIN spans AS p2 ON p2.trace_id = n.trace_id AND p2.span_key = p1.parent_key
LEFT JOIN spans AS p3 ON p3.trace_id = n.trace_id AND p3.span_key = p2.parent_key
LEFT JOIN spans AS p4 ON p4.trace_id = n.trace_id AND p4.span_key = p3.parent_key
GROUP BY n.event_id, n.trace_id;
