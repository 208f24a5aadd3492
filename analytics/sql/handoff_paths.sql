-- step: handoff_paths
-- needs: handoffs, traces, actions, params
-- about: For each handoff that was not refused, the handoffs that led to it, from the root agent on: back from its sender to
--        the latest handoff before it that the sender received, at most `hops` of them. `handed_actions` has, for each
--        action, the latest handoff before it that its agent received.
CREATE OR REPLACE TABLE numbered_handoffs AS
SELECT
    row_number() OVER (ORDER BY h.trace_id, h.handoff_time, h.event_id, h.from_agent, h.to_agent, h.kind, h.tenant_id)
        AS handoff_no,
    h.trace_id,
    CASE WHEN r.shared THEN coalesce(h.tenant_id, '') ELSE '' END AS trace_tenant,
    h.event_id,
    h.handoff_time,
    h.from_agent,
    h.to_agent
FROM handoffs AS h
JOIN traces AS r ON r.trace_id = h.trace_id
WHERE NOT h.refused AND h.from_agent <> h.to_agent;

-- Who received work, and who passed it on or acted, under one key: a running window and no range join, so that a run with
-- very many handoffs costs a sort and not a product.
CREATE OR REPLACE TABLE handoff_sides AS
WITH sides AS (
    SELECT trace_id, trace_tenant, to_agent AS agent, handoff_time AS at_time, 0 AS side, handoff_no,
        NULL::BIGINT AS next_no, NULL::BIGINT AS action_no
    FROM numbered_handoffs
    UNION ALL
    SELECT trace_id, trace_tenant, from_agent, handoff_time, 1, NULL, handoff_no, NULL
    FROM numbered_handoffs
    UNION ALL
    SELECT trace_id, trace_tenant, agent, event_time, 1, NULL, NULL, action_no
    FROM actions
    WHERE agent IS NOT NULL AND trace_id IN (SELECT trace_id FROM numbered_handoffs)
)

SELECT side, next_no, action_no,
    last_value(handoff_no IGNORE NULLS) OVER (
        PARTITION BY trace_id, trace_tenant, agent ORDER BY at_time, side, handoff_no
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS handoff_no
FROM sides;

CREATE OR REPLACE TABLE handed_actions AS
SELECT action_no, handoff_no
FROM handoff_sides
WHERE action_no IS NOT NULL AND handoff_no IS NOT NULL;

CREATE OR REPLACE TABLE handoff_paths AS
WITH RECURSIVE steps AS (
    SELECT h.handoff_no, h.event_id, h.from_agent, h.to_agent, s.handoff_no AS before_no
    FROM numbered_handoffs AS h
    LEFT JOIN handoff_sides AS s ON s.next_no = h.handoff_no
),

walk AS (
    SELECT handoff_no, before_no, [from_agent, to_agent] AS agents, [event_id] AS handoff_ids, 1 AS depth
    FROM steps
    UNION ALL
    SELECT w.handoff_no, s.before_no, list_concat([s.from_agent], w.agents), list_concat([s.event_id], w.handoff_ids),
        w.depth + 1
    FROM walk AS w
    JOIN steps AS s ON s.handoff_no = w.before_no
    -- Handoffs of one moment may lead to each other: none is on a path twice.
    WHERE w.depth < (SELECT hops FROM params) AND NOT list_contains(w.handoff_ids, s.event_id)
)

SELECT handoff_no, agents, handoff_ids, depth, before_no IS NULL AS complete
FROM walk
QUALIFY row_number() OVER (PARTITION BY handoff_no ORDER BY depth DESC) = 1;
