-- The credentials that an agent was given or used, the newest first, and how old each is at the newest event.
-- needs: credential_uses, identity_events
WITH given AS (
    SELECT
        credential_id, any_value(credential_type) AS type,
        min(coalesce(credential_issued_time, event_time)) FILTER (WHERE event_type = 'credential_issued') AS issued_time,
        max(coalesce(credential_expires_time, expires_time)) FILTER (WHERE event_type = 'credential_issued') AS expires_time,
        min(event_time) FILTER (WHERE event_type = 'credential_revoked') AS revoked_time,
        any_value(attestation) AS attestation
    FROM identity_events
    WHERE event_type IN ('credential_issued', 'credential_revoked') AND credential_id IS NOT NULL
        AND coalesce(agent_name, agent_id, principal_id) = $agent AND coalesce(tenant_id, '') = $tenant
    GROUP BY credential_id
),

used AS (
    SELECT
        credential_id, credential_type AS type, credential_issued_time AS issued_time,
        credential_expires_time AS expires_time, credential_revoked_time AS revoked_time, attestation, actions,
        last_time AS last_used_time
    FROM credential_uses
    WHERE agent = $agent AND coalesce(tenant_id, '') = $tenant
)

SELECT
    coalesce(g.credential_id, u.credential_id) AS credential_id, coalesce(u.type, g.type) AS type,
    coalesce(u.issued_time, g.issued_time) AS issued_time, coalesce(u.expires_time, g.expires_time) AS expires_time,
    coalesce(u.revoked_time, g.revoked_time) AS revoked_time,
    date_diff('second', coalesce(u.issued_time, g.issued_time),
        least(coalesce(u.revoked_time, g.revoked_time, u.expires_time, g.expires_time, $now::TIMESTAMPTZ), $now)) / 3600.0
        AS age_hours,
    coalesce(u.actions, 0) AS actions, u.last_used_time, coalesce(u.attestation, g.attestation) AS attestation,
    count(*) OVER () AS total
FROM given AS g
FULL JOIN used AS u ON u.credential_id = g.credential_id
ORDER BY issued_time DESC NULLS LAST, 1
LIMIT 100;
