-- view: credential_uses
-- needs: authority_trace
-- about: Which agent acted with which credential, one row per agent and credential: how often, when first and last, and what is
--        known of the credential.
-- column tenant_id: The tenant.
-- column agent: The agent that acted.
-- column credential_id: The credential, as in `authority_trace`.
-- column credential_type: Kind of credential.
-- column credential_issued_time: When it was issued.
-- column credential_expires_time: When it expires.
-- column credential_revoked_time: When it was revoked.
-- column attestation: State of the identity's proof.
-- column actions: How many actions.
-- column first_time: When the first of them began.
-- column last_time: When the last of them began.
CREATE OR REPLACE TABLE credential_uses AS
SELECT
    tenant_id, agent, credential_id,
    min(credential_type) AS credential_type,
    min(credential_issued_time) AS credential_issued_time,
    max(credential_expires_time) AS credential_expires_time,
    min(credential_revoked_time) AS credential_revoked_time,
    min(attestation) AS attestation,
    count(*) AS actions, min(event_time) AS first_time, max(event_time) AS last_time
FROM authority_trace
WHERE credential_id IS NOT NULL
GROUP BY tenant_id, agent, credential_id;
