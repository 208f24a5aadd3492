-- Handoffs after which the receiver acted without a decision of its own
SELECT handoff_time, from_agent, to_agent, verdict, reason, upstream_decision_id, downstream_decision_id, gap_seconds
FROM handoff_backing
WHERE verdict NOT IN ('backed', 'unknown')
ORDER BY handoff_time;
