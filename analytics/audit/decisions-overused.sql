-- audit: decisions-overused
-- question: Which decisions were used beyond what they were made for?
-- reads: decision_uses
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per use that lies beyond its decision, and in what: `agent`, `task`, `action`, `resource`,
--   `arguments`, `uses` (more than permitted), `approval` (the human approval behind it), or when it no longer held:
--   `expired`, `too_old`, `revoked`, `policy_changed`.
-- blind: A decision that was derived from another counts as its own. Uses by actions that no rung of the join ladder
--   ties to the decision are not seen.
SELECT
    event_time, tenant_id, agent, action, resource_type, resource_id,
    list_filter([
        CASE WHEN NOT same_agent THEN 'agent' END,
        CASE WHEN NOT same_task THEN 'task' END,
        CASE WHEN NOT same_action THEN 'action' END,
        CASE WHEN NOT same_resource THEN 'resource' END,
        CASE WHEN NOT same_arguments THEN 'arguments' END,
        CASE WHEN NOT within_max_uses THEN 'uses' END,
        out_of_time,
        CASE WHEN verdict = 'approval_reused' THEN 'approval' END
    ], lambda x: x IS NOT NULL) AS beyond,
    verdict, reason, use_no, max_uses, decision_id, decision_time, decision_expires_time, decision_agent,
    decision_action,
    decision_resource_id, trace_id, event_id
FROM decision_uses
WHERE used AND decision = 'allow' AND (
        NOT (in_scope AND same_arguments AND in_time AND within_max_uses) OR verdict = 'approval_reused'
    )
    AND ($tenant IS NULL OR tenant_id = $tenant)
    AND ($since IS NULL OR event_time >= $since)
    AND ($until IS NULL OR event_time < $until)
ORDER BY event_time, event_id, decision_id;
