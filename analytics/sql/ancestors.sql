-- view: ancestors
-- needs: handoffs, params
-- about: Per trace and agent, every agent upstream of it along handoffs and delegations, how many hops away, and since when.
CREATE OR REPLACE TABLE ancestors AS
WITH RECURSIVE edges AS (
    SELECT trace_id, from_agent, to_agent, min(handoff_time) AS first_time
    FROM handoffs
    WHERE from_agent <> to_agent AND NOT refused
    GROUP BY ALL
),

climb AS (
    SELECT trace_id, to_agent AS agent, from_agent AS ancestor, first_time, 1 AS hops
    FROM edges
    UNION
    SELECT c.trace_id, c.agent, e.from_agent, c.first_time, c.hops + 1
    FROM climb AS c
    JOIN edges AS e ON e.trace_id = c.trace_id AND e.to_agent = c.ancestor
    WHERE c.hops < (SELECT hops FROM params) AND e.from_agent <> c.agent
)

SELECT trace_id, agent, ancestor, min(hops) AS hops, min(first_time) AS first_time
FROM climb
GROUP BY trace_id, agent, ancestor;
