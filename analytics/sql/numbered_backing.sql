-- step: numbered_backing
-- needs: verdicts, actions, decisions, traces, catalogue_tools, catalogue_resource_types
-- about: `action_backing` with the numbers of the action and its decision, by which other views join. What the event does not
--        say about sensitivity, trust zone and labels is taken from the catalogue, of the tool and of the type of resource.
CREATE OR REPLACE VIEW numbered_backing AS
SELECT
    v.action_no,
    v.decision_no,
    v.own,
    v.claimed,
    v.staleness::VARCHAR AS staleness,
    a.event_id,
    nullif(a.tenant, '') AS tenant_id,
    a.environment,
    n.trace_id,
    a.span_id,
    a.native_span_id,
    a.conversation_id,
    a.task_id,
    a.agent,
    a.agent_id,
    a.on_behalf_of,
    a.tool_name,
    a.tool_call_id,
    -- Where no mapping says what the tool does, the words of the decision that it was matched with.
    coalesce(a.action, CASE WHEN v.own THEN d.action END) AS action,
    coalesce(a.resource_type, CASE WHEN v.own THEN d.resource_type END) AS resource_type,
    coalesce(a.resource_id, CASE WHEN v.own AND a.action IS NULL THEN d.resource_id END) AS resource_id,
    a.arguments_digest,
    coalesce(a.sensitivity, CASE WHEN v.own THEN d.sensitivity END, greatest(t.sensitivity, k.sensitivity)) AS sensitivity,
    coalesce(a.trust_zone, t.trust_zone, k.trust_zone) AS trust_zone,
    CASE
        WHEN a.labels IS NULL AND (t.tool_name IS NOT NULL OR k.resource_type IS NOT NULL)
            THEN list_sort(list_distinct(list_concat(coalesce(t.labels, []), coalesce(k.labels, []))))
        ELSE a.labels
    END AS labels,
    a.status,
    NOT a.refused AS executed,
    a.event_time,
    a.until_time AS end_time,
    v.verdict::VARCHAR AS verdict,
    v.reason::VARCHAR AS reason,
    CASE WHEN v.claimed THEN d.decision_id END AS decision_id,
    CASE WHEN v.claimed THEN d.source_decision_id END AS source_decision_id,
    CASE WHEN v.claimed THEN v.rung END AS rung,
    v.confidence,
    d.decision_id AS closest_decision_id,
    a.cited_decision_id,
    d.decision,
    d.decision_time,
    d.agent AS decision_agent,
    d.action AS decision_action,
    d.resource_type AS decision_resource_type,
    d.resource_id AS decision_resource_id,
    d.on_behalf_of AS decision_on_behalf_of,
    coalesce(a.approval_id, d.approval_id) AS approval_id,
    d.approver,
    d.expires_time AS decision_expires_time,
    d.revoked_time AS decision_revoked_time,
    v.use_no,
    d.max_uses,
    v.unproven AS identity_in_doubt
FROM verdicts AS v
JOIN numbered_actions AS a ON a.action_no = v.action_no
LEFT JOIN numbered_decisions AS d ON d.decision_no = v.decision_no
LEFT JOIN trace_names AS n ON n.trace_no = a.trace_no
LEFT JOIN catalogue_tools AS t ON t.tool_name = a.tool_name
LEFT JOIN catalogue_resource_types AS k
    ON k.resource_type = coalesce(a.resource_type, CASE WHEN v.own THEN d.resource_type END);
