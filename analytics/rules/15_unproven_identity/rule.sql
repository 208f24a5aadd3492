-- Actions of agents whose identity is not proven: attestation absent, expired or of an untrusted issuer, or a subject that
-- names another agent. What the decision point saw counts before what the action's own event says.
WITH seen AS (
    SELECT event_id, trace_id, tenant_id, attestation, attestation_issuer
    FROM events
    WHERE attestation IS NOT NULL
),

-- An identity that names its agent, as in spiffe://domain/agent/payer/replica/2 or agent:payer.
asked AS (
    SELECT
        decision_id, tenant, identity, attestation, attestation_issuer,
        agent AS decision_agent, nullif(regexp_extract(identity, '(^|[/:])agent[/:]([^/:]+)', 2), '') AS named_agent
    FROM decision_identities
    WHERE attestation IS NOT NULL OR identity <> agent
),

steps AS (
    SELECT
        b.tenant_id, b.environment, b.agent, b.trace_id, b.tool_name, b.action, b.resource_type, b.resource_id, b.verdict,
        b.sensitivity, b.confidence, b.event_id, b.decision_id, b.event_time,
        coalesce(i.attestation, e.attestation) AS attestation,
        CASE WHEN i.attestation IS NOT NULL THEN i.attestation_issuer ELSE e.attestation_issuer END AS attestation_issuer,
        CASE WHEN i.attestation IS NOT NULL THEN 'the decision' ELSE 'the action' END AS told_by,
        CASE
            WHEN i.named_agent <> b.agent AND i.decision_agent = b.agent THEN i.identity
            WHEN nullif(regexp_extract(b.agent_id, '(^|[/:])agent[/:]([^/:]+)', 2), '') <> b.agent THEN b.agent_id
        END AS foreign_identity,
        coalesce(i.identity, b.agent_id) AS own_identity
    FROM action_backing AS b
    LEFT JOIN seen AS e
        ON e.event_id = b.event_id AND e.trace_id IS NOT DISTINCT FROM b.trace_id
        AND coalesce(e.tenant_id, b.tenant_id, '') = coalesce(b.tenant_id, '')
    LEFT JOIN asked AS i
        ON i.decision_id = b.decision_id AND i.tenant IN (coalesce(b.tenant_id, ''), '') AND b.verdict <> 'reused'
    WHERE b.identity_in_doubt AND b.executed AND b.verdict <> 'unknown'
)

SELECT
    s.tenant_id,
    s.environment,
    s.agent,
    s.trace_id,
    s.tool_name,
    s.action,
    s.resource_type,
    s.resource_id,
    s.verdict,
    CASE
        WHEN s.foreign_identity IS NOT NULL AND s.agent <> s.foreign_identity THEN 'other_subject'
        WHEN s.attestation = 'absent' THEN 'absent'
        WHEN s.attestation = 'expired' THEN 'expired'
        ELSE 'untrusted'
    END AS reason,
    CASE WHEN s.sensitivity >= p.proof_sensitivity THEN 'high' ELSE 'medium' END AS level,
    s.confidence,
    [coalesce(s.tenant_id, ''), coalesce(s.agent, ''), s.event_id] AS entity_keys,
    [s.event_id] AS anchor_event_ids,
    CASE WHEN s.decision_id IS NULL THEN []::VARCHAR[] ELSE [s.decision_id] END AS decision_ids,
    {
        'identity': coalesce(s.foreign_identity, s.own_identity), 'attestation': s.attestation,
        'attestation_issuer': s.attestation_issuer, 'told_by': s.told_by, 'sensitivity': s.sensitivity
    } AS evidence,
    s.event_time AS first_seen_time,
    s.event_time AS last_seen_time
FROM steps AS s
CROSS JOIN params AS p
WHERE s.attestation IN ('absent', 'expired', 'untrusted')
    OR (s.foreign_identity IS NOT NULL AND s.agent <> s.foreign_identity);
