-- audit: run-timeline
-- question: What happened in this run, in order?
-- reads: events, decisions, identity_events
-- parameter trace text: The run, by its trace id.
-- answer: One row per event, decision, grant, approval and credential of the run, in order of time. `what` is the kind
--   of event, or the decision's answer.
-- blind: Decisions and credentials that name no trace are not here; `who-did` and `on-whose-authority` find those
--   behind an action.
SELECT *
FROM (
    SELECT
        event_time AS at_time, 'event' AS record, event_type AS what, coalesce(agent_name, agent_id) AS agent,
        coalesce(target_agent_name, target_agent_id) AS to_agent, tool_name, action, resource_type, resource_id, status,
        decision_id, approval_id, event_id AS id
    FROM events
    WHERE trace_id = $trace
    UNION ALL
    SELECT
        decision_time, 'decision', decision, agent, NULL, NULL, action, resource_type,
        coalesce(resource_id, nullif(resource_prefix, '') || '*'), NULL, decision_id, approval_id, decision_id
    FROM decisions
    WHERE trace_id = $trace
    UNION ALL
    SELECT DISTINCT
        event_time, 'identity', event_type, coalesce(agent_name, agent_id, principal_id), NULL, NULL,
        coalesce(action, scope), resource_type, resource_id, NULL, decision_id, approval_id, event_id
    FROM identity_events
    WHERE trace_id = $trace
)
ORDER BY at_time, record, id;
