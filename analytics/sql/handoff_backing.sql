-- view: handoff_backing
-- needs: handoffs, action_backing, traces
-- about: One row per handoff or delegation: the decision upstream of it, the decision behind the first action of the agent
--        that received it, and the time between the two. The verdict is that of the first action; null where it took none.
CREATE OR REPLACE TABLE handoff_backing AS
WITH upstream AS (
    SELECT h.event_id, h.to_agent, h.handoff_time, arg_max(b.decision_id, {'at': b.event_time, 'id': b.event_id}) AS decision_id,
        arg_max(b.decision_time, {'at': b.event_time, 'id': b.event_id}) AS decision_time
    FROM handoffs AS h
    JOIN action_backing AS b
        ON b.trace_id = h.trace_id AND b.agent = h.from_agent
        AND b.event_time <= h.handoff_time AND b.decision_id IS NOT NULL
    GROUP BY ALL
),

-- The receiver's actions up to the next time that it is handed work.
bounds AS (
    SELECT *, lead(handoff_time) OVER (PARTITION BY trace_id, to_agent ORDER BY handoff_time, event_id) AS next_time
    FROM handoffs
),

downstream AS (
    SELECT h.event_id, h.to_agent, h.handoff_time, arg_min(b, {'at': b.event_time, 'id': b.event_id}) AS first_action
    FROM bounds AS h
    JOIN action_backing AS b
        ON b.trace_id = h.trace_id AND b.agent = h.to_agent AND b.event_time >= h.handoff_time
        AND (h.next_time IS NULL OR b.event_time < h.next_time)
    GROUP BY ALL
)

SELECT
    h.event_id,
    h.kind,
    coalesce(h.tenant_id, r.tenant_id) AS tenant_id,
    h.trace_id,
    h.handoff_time,
    h.from_agent,
    h.to_agent,
    u.decision_id AS upstream_decision_id,
    u.decision_time AS upstream_decision_time,
    d.first_action.event_id AS first_action_event_id,
    d.first_action.decision_id AS downstream_decision_id,
    CASE WHEN d.first_action.decision_id IS NOT NULL THEN d.first_action.decision_time END AS downstream_decision_time,
    CASE WHEN d.first_action.decision_id IS NOT NULL
        THEN date_diff('microsecond', u.decision_time, d.first_action.decision_time) / 1e6 END AS gap_seconds,
    d.first_action.verdict AS verdict,
    coalesce(d.first_action.reason, 'no_action') AS reason
FROM handoffs AS h
LEFT JOIN traces AS r ON r.trace_id = h.trace_id
LEFT JOIN upstream AS u ON u.event_id = h.event_id AND u.to_agent = h.to_agent AND u.handoff_time = h.handoff_time
LEFT JOIN downstream AS d ON d.event_id = h.event_id AND d.to_agent = h.to_agent AND d.handoff_time = h.handoff_time;
