-- view: decision_identities
-- needs: decisions, authorization_decisions, traces
-- about: What each decision says about who asked: the proof of identity, the token's chain of actors, the credential, and
--        which decision point answered. One row per decision, as in `decisions`.
CREATE OR REPLACE VIEW decision_identities AS
SELECT
    d.decision_id,
    coalesce(d.tenant_id, r.tenant_id, '') AS tenant,
    d.environment,
    d.trace_id,
    d.decision,
    d.decision_time,
    coalesce(d.agent_name, d.agent_id, d.principal_id) AS agent,
    d.agent_name,
    coalesce(d.agent_id, d.principal_id) AS identity,
    d.act_chain,
    d.attestation,
    d.attestation_issuer,
    d.credential_id,
    d.credential_type,
    d.credential_fingerprint,
    d.credential_issued_time,
    d.credential_expires_time,
    d.pdp_id
FROM authorization_decisions AS d
LEFT JOIN repeated_decisions AS x ON x.decision_id = d.decision_id AND x.tenant = coalesce(d.tenant_id, '')
LEFT JOIN traces AS r ON r.trace_id = d.trace_id
WHERE x.decision_id IS NULL
    OR x.kept = {'sha': d.raw_sha256, 'topic': d.source_topic, 'part': d.source_partition, 'off': d.source_offset,
        'ix': d.source_index};
