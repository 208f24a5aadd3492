-- The steps of one run in order: actions with their verdict and decision, handoffs with the decisions on both sides.
-- needs: action_backing, handoff_backing, current_findings, events
WITH found AS (
    SELECT event_id, count(*) AS findings
    FROM (
        SELECT unnest(anchor_event_ids) AS event_id
        FROM current_findings
        WHERE trace_id = $trace_id AND status IN ('open', 'updated')
    )
    GROUP BY event_id
),

steps AS (
    SELECT
        event_id, 'action' AS kind, event_time AS time, end_time, agent, NULL AS to_agent, tool_name, action, resource_type,
        resource_id, verdict, reason, executed, status, decision, decision_time, decision_agent, approver,
        NULL::DOUBLE AS gap_seconds
    FROM action_backing
    WHERE trace_id = $trace_id
    UNION ALL
    SELECT
        h.event_id, h.kind, h.handoff_time, NULL, h.from_agent, h.to_agent, NULL, NULL, NULL, NULL, h.verdict, h.reason,
        coalesce(e.status, 'unset') NOT IN ('rejected', 'error', 'canceled'), e.status, NULL, h.downstream_decision_time,
        NULL, NULL, h.gap_seconds
    FROM handoff_backing AS h
    LEFT JOIN events AS e ON e.event_id = h.event_id AND e.trace_id = h.trace_id
    WHERE h.trace_id = $trace_id
)

SELECT s.*, coalesce(f.findings, 0) AS findings, count(*) OVER () AS total
FROM steps AS s
LEFT JOIN found AS f ON f.event_id = s.event_id
ORDER BY s.time, s.kind = 'action' DESC, s.event_id, s.to_agent
LIMIT $most;
