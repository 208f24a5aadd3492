-- audit: handoffs-without-decision
-- question: After which handoffs did the agent that received the work act without a decision of its own?
-- reads: handoff_backing
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per handoff or delegation whose receiver's first action was not backed. `upstream_decision_id` is
--   what the sender had; `no_action` says that the receiver was seen doing nothing.
-- blind: Only the first action after a handoff is judged here; `who-did` has the others. Handoffs that no event tells
--   of are not seen.
SELECT
    handoff_time, tenant_id, kind, from_agent, to_agent, coalesce(verdict, 'none') AS verdict, reason,
    upstream_decision_id,
    first_action_event_id, downstream_decision_id, trace_id, event_id
FROM handoff_backing
WHERE verdict IS DISTINCT FROM 'backed'
    AND ($tenant IS NULL OR tenant_id = $tenant)
    AND ($since IS NULL OR handoff_time >= $since)
    AND ($until IS NULL OR handoff_time < $until)
ORDER BY handoff_time, event_id, to_agent;
