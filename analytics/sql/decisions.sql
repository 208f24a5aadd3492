-- view: decisions
-- needs: authorization_decisions, identity_events, traces, policy_epochs, words, identities
-- order: kept
-- about: Decisions, each once, with the moment at which each was revoked and the moment at which the policy that it was
--        made under was seen to have changed.
CREATE OR REPLACE TABLE repeated_decisions AS
SELECT
    coalesce(tenant_id, '') AS tenant,
    decision_id,
    min({'sha': raw_sha256, 'topic': source_topic, 'part': source_partition, 'off': source_offset, 'ix': source_index})
        AS kept
FROM authorization_decisions
WHERE hash(decision_id) IN (SELECT hash(decision_id) FROM authorization_decisions GROUP BY ALL HAVING count(*) > 1)
GROUP BY ALL
HAVING count(*) > 1;

CREATE OR REPLACE TABLE decision_rows AS
WITH revocations AS (
    SELECT decision_id, min(event_time) AS revoked_time
    FROM identity_events
    WHERE event_type = 'decision_revoked' AND decision_id IS NOT NULL
    GROUP BY decision_id
)

SELECT
    d.decision_id,
    d.source_decision_id,
    d.parent_decision_id,
    coalesce(d.tenant_id, r.tenant_id, '')::word AS tenant,
    (CASE WHEN r.shared THEN coalesce(d.tenant_id, '') ELSE '' END)::word AS trace_tenant,
    d.decision::word AS decision,
    d.decision_time,
    coalesce(d.agent_name, d.agent_id, d.principal_id)::word AS agent,
    d.agent_id::identity AS agent_id,
    d.principal_id::identity AS principal_id,
    d.on_behalf_of::identity AS on_behalf_of,
    d.delegation_chain,
    d.action::word AS action,
    d.resource_type::word AS resource_type,
    CASE WHEN d.resource_pattern IS NULL THEN d.resource_id END AS resource_id,
    CASE
        WHEN d.resource_pattern IS NOT NULL THEN rtrim(d.resource_pattern, '*')
        WHEN d.resource_id IS NULL THEN ''
    END AS resource_prefix,
    d.arguments_digest,
    d.task_id,
    CASE WHEN r.trace_no IS NULL THEN d.trace_id END AS lone_trace_id,
    -- No action is in a trace without events.
    CASE WHEN d.trace_id IS NOT NULL THEN coalesce(r.trace_no, -1) END AS trace_no,
    d.span_id,
    d.request_id,
    d.tool_call_id,
    d.approval_id,
    d.approver::identity AS approver,
    d.max_uses,
    d.expires_time,
    d.scopes,
    d.sensitivity,
    d.policy_ids,
    d.policy_version::word AS policy_version,
    coalesce(d.attestation IN ('absent', 'expired', 'untrusted'), false) OR coalesce(
        nullif(coalesce(
            regexp_extract(d.agent_id, '(^|[/:])agent[/:]([^/:]+)', 2),
            regexp_extract(d.principal_id, '(^|[/:])agent[/:]([^/:]+)', 2)
        ), '') <> coalesce(d.agent_name, d.agent_id, d.principal_id), false
    ) AS unproven,
    least(d.revoked_time, v.revoked_time) AS revoked_time,
    p.changed_time AS policy_changed_time
FROM authorization_decisions AS d
LEFT JOIN repeated_decisions AS x ON x.decision_id = d.decision_id AND x.tenant = coalesce(d.tenant_id, '')
LEFT JOIN numbered_traces AS r ON r.trace_id = d.trace_id
LEFT JOIN revocations AS v ON v.decision_id = d.decision_id
LEFT JOIN policy_epochs AS p
    ON p.tenant = coalesce(d.tenant_id, '') AND p.pdp = coalesce(d.pdp_id, '') AND p.policy_version = d.policy_version
WHERE x.decision_id IS NULL
    OR x.kept = {'sha': d.raw_sha256, 'topic': d.source_topic, 'part': d.source_partition, 'off': d.source_offset,
        'ix': d.source_index};

-- A row's place in the table is its number: joins by it are the cheapest, and numbering by a window would cost as much
-- as the reading.
CREATE OR REPLACE VIEW numbered_decisions AS
SELECT
    rowid AS decision_no,
    decision_id,
    source_decision_id,
    parent_decision_id,
    tenant::VARCHAR AS tenant,
    trace_tenant::VARCHAR AS trace_tenant,
    decision::VARCHAR AS decision,
    decision_time,
    agent::VARCHAR AS agent,
    agent_id::VARCHAR AS agent_id,
    principal_id::VARCHAR AS principal_id,
    on_behalf_of::VARCHAR AS on_behalf_of,
    delegation_chain,
    action::VARCHAR AS action,
    resource_type::VARCHAR AS resource_type,
    resource_id,
    resource_prefix,
    arguments_digest,
    task_id,
    lone_trace_id,
    trace_no,
    span_id,
    request_id,
    tool_call_id,
    approval_id,
    approver::VARCHAR AS approver,
    max_uses,
    expires_time,
    scopes,
    sensitivity,
    policy_ids,
    policy_version::VARCHAR AS policy_version,
    unproven,
    revoked_time,
    policy_changed_time
FROM decision_rows;

CREATE OR REPLACE VIEW decisions AS
SELECT d.* EXCLUDE (lone_trace_id), coalesce(n.trace_id, d.lone_trace_id) AS trace_id
FROM numbered_decisions AS d
LEFT JOIN trace_names AS n ON n.trace_no = d.trace_no;
