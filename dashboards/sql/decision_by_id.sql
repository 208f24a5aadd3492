-- One decision, with who it was made for and where.
-- needs: decisions, decision_identities
SELECT d.* EXCLUDE (tenant), nullif(d.tenant, '') AS tenant_id, i.pdp_id, i.credential_id, i.attestation
FROM decisions AS d
LEFT JOIN decision_identities AS i
    ON i.decision_id = d.decision_id AND i.tenant = d.tenant AND i.decision_time = d.decision_time
WHERE d.decision_id = $decision_id
ORDER BY d.decision_time, d.tenant
LIMIT 5;
