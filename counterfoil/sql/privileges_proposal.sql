-- An agent's proposal, what to withdraw first.
SELECT *
FROM least_privilege
WHERE agent = $agent AND ($tenant::VARCHAR IS NULL OR tenant_id = $tenant)
ORDER BY tenant_id, proposal = 'keep', proposal = 'narrow', sensitivity DESC NULLS LAST, permission;
