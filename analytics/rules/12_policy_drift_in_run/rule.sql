-- Pairs of answers of one decision point to one question in one run, under two policies and opposite to each other. Where an
-- agent wrote to a policy in between, that is named.
WITH answers AS (
    SELECT
        d.decision_id, d.tenant, d.trace_id, d.agent, d.action, d.resource_type,
        coalesce(d.resource_id, d.resource_prefix) AS resource_id, d.arguments_digest, d.decision, d.decision_time,
        d.policy_version, coalesce(i.pdp_id, '') AS pdp, coalesce(d.approval_id, d.approver) AS approval
    FROM decisions AS d
    JOIN decision_identities AS i ON i.decision_id = d.decision_id AND i.tenant = d.tenant
    WHERE d.policy_version IS NOT NULL AND d.trace_id IS NOT NULL AND d.agent IS NOT NULL
        AND d.decision IN ('allow', 'deny')
),

ordered AS (
    SELECT d.*,
        lag({
            'id': d.decision_id, 'decision': d.decision, 'at': d.decision_time, 'version': d.policy_version, 'pdp': d.pdp,
            'digest': d.arguments_digest
        }) OVER (
            PARTITION BY d.tenant, d.trace_id, d.agent, d.action, d.resource_type, d.resource_id
            ORDER BY d.decision_time, d.decision_id
        ) AS before
    FROM answers AS d
),

flat AS (
    SELECT
        * EXCLUDE (before), before.id AS last_id, before.decision AS last_decision, before.at AS last_time,
        before.version AS last_version, before.pdp AS last_pdp, before.digest AS last_digest
    FROM ordered
    WHERE before IS NOT NULL
),

flips AS (
    SELECT f.*
    FROM flat AS f
    WHERE f.decision <> f.last_decision AND f.policy_version <> f.last_version AND f.pdp = f.last_pdp
        AND coalesce(f.arguments_digest = f.last_digest, true) AND f.approval IS NULL
),

writers AS (
    SELECT
        coalesce(b.tenant_id, '') AS tenant, b.event_id, b.agent, b.action,
        concat_ws(' ', b.resource_type, b.resource_id) AS resource, b.event_time
    FROM action_backing AS b
    WHERE b.executed AND lower(b.action) NOT IN ('read', 'get', 'list', 'view', 'select', 'search', 'query', 'lookup')
        AND (contains(lower(b.resource_type), 'policy') OR contains(lower(b.resource_type), 'policies'))
),

written AS (
    SELECT f.tenant, f.decision_id,
        arg_max(w, {'at': w.event_time, 'id': w.event_id}) AS writer
    FROM flips AS f
    JOIN writers AS w ON w.event_time BETWEEN f.last_time AND f.decision_time AND w.tenant = f.tenant
    GROUP BY f.tenant, f.decision_id
),

steps AS (
    SELECT
        coalesce(b.tenant_id, '') AS tenant, b.decision_id, min(b.event_id) AS event_id, min(b.environment) AS environment,
        min(b.tool_name) AS tool_name
    FROM action_backing AS b
    WHERE b.decision_id IN (SELECT decision_id FROM flips)
    GROUP BY ALL
)

SELECT
    nullif(f.tenant, '') AS tenant_id,
    s.environment,
    f.agent,
    f.trace_id,
    s.tool_name,
    f.action,
    f.resource_type,
    f.resource_id,
    NULL::VARCHAR AS verdict,
    CASE WHEN w.decision_id IS NOT NULL THEN 'written' WHEN f.decision = 'allow' THEN 'to_allow' ELSE 'to_deny' END AS reason,
    CASE WHEN w.decision_id IS NOT NULL THEN 'high' ELSE 'medium' END AS level,
    0.9 AS confidence,
    [f.tenant, f.trace_id, f.agent, f.decision_id] AS entity_keys,
    list_sort(list_filter([s.event_id, w.writer.event_id], lambda e: e IS NOT NULL)) AS anchor_event_ids,
    list_sort([f.last_id, f.decision_id]) AS decision_ids,
    {
        'first_time': f.last_time, 'first_version': f.last_version, 'last_version': f.policy_version,
        'first_decision': f.last_decision, 'last_decision': f.decision, 'writer': w.writer.agent,
        'writer_action': w.writer.action, 'writer_resource': w.writer.resource
    } AS evidence,
    f.last_time AS first_seen_time,
    f.decision_time AS last_seen_time
FROM flips AS f
LEFT JOIN written AS w ON w.tenant = f.tenant AND w.decision_id = f.decision_id
LEFT JOIN steps AS s ON s.tenant = f.tenant AND s.decision_id = f.decision_id;
