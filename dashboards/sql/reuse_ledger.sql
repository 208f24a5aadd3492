-- The decisions that were used more than once or for more than they were made for, the most doubtful first.
-- needs: reused_decisions
SELECT *
FROM reused_decisions
WHERE ($tenant::VARCHAR IS NULL OR tenant_id = $tenant) AND ($agent::VARCHAR IS NULL OR agent = $agent)
ORDER BY beyond DESC, uses DESC, decision_time DESC, decision_id
LIMIT $most;
