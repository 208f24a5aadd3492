-- What is proposed for an agent, so that it holds what it uses: what to take away first.
-- needs: least_privilege
SELECT permission, proposal, array_to_string("to", ', ') AS narrowed_to, uses, last_used_time, reason, would_break, standing, sensitivity, replayed_actions,
    broken_actions
FROM least_privilege
WHERE agent = $agent AND coalesce(tenant_id, '') = $tenant
ORDER BY list_position(['remove', 'narrow', 'keep'], proposal), permission
LIMIT 500;
