-- An agent's row of privileges.
-- needs: privilege_usage
SELECT * REPLACE (permitted_actions::BIGINT AS permitted_actions, standing_share::DOUBLE AS standing_share)
FROM privilege_usage
WHERE agent = $agent AND coalesce(tenant_id, '') = $tenant;
