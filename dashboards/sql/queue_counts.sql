-- How many findings of each level the queue's other filters leave.
-- needs: current_findings
SELECT level, count(*) AS findings
FROM current_findings
WHERE ($rule::VARCHAR IS NULL OR rule_id = $rule)
    AND ($tenant::VARCHAR IS NULL OR tenant_id = $tenant)
    AND ($agent::VARCHAR IS NULL OR agent = $agent)
    AND ($from_time::TIMESTAMPTZ IS NULL OR last_seen_time >= $from_time)
    AND ($to_time::TIMESTAMPTZ IS NULL OR first_seen_time <= $to_time)
    AND CASE $work::VARCHAR
        WHEN 'open' THEN status IN ('open', 'updated') AND triage_status <> 'closed'
        WHEN 'closed' THEN status = 'closed' OR triage_status = 'closed'
        WHEN 'suppressed' THEN status = 'suppressed'
        ELSE true
    END
GROUP BY level;
