-- On whose authority the named actions were taken.
-- needs: authority_trace
SELECT * REPLACE (confidence::DOUBLE AS confidence)
FROM authority_trace
WHERE list_contains($event_ids::VARCHAR[], event_id)
    AND ($trace_id::VARCHAR IS NULL OR trace_id = $trace_id)
    AND ($tenant_id::VARCHAR IS NULL OR tenant_id IS NULL OR tenant_id = $tenant_id)
ORDER BY event_time, event_id
LIMIT 12;
