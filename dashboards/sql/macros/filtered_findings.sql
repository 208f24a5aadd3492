-- Macro: the findings in their newest state that the queue's filters leave; null, or no level, narrows nothing.
-- Its parameters have names of their own, so that none is taken for a column.
CREATE MACRO IF NOT EXISTS filtered_findings(
    of_levels, of_rule, of_tenant, of_agent, of_trace, of_assignee, of_from_time, of_to_time, of_work
) AS TABLE
SELECT *
FROM current_findings
WHERE (len(of_levels::VARCHAR[]) = 0 OR list_contains(of_levels::VARCHAR[], level))
    AND (of_rule::VARCHAR IS NULL OR rule_id = of_rule)
    AND (of_tenant::VARCHAR IS NULL OR tenant_id = of_tenant)
    AND (of_agent::VARCHAR IS NULL OR agent = of_agent)
    AND (of_trace::VARCHAR IS NULL OR trace_id = of_trace)
    AND (of_assignee::VARCHAR IS NULL OR coalesce(assignee, '') = of_assignee)
    AND (of_from_time::TIMESTAMPTZ IS NULL OR last_seen_time >= of_from_time)
    AND (of_to_time::TIMESTAMPTZ IS NULL OR first_seen_time <= of_to_time)
    AND CASE of_work::VARCHAR
        WHEN 'open' THEN status IN ('open', 'updated') AND triage_status <> 'closed'
        WHEN 'new' THEN status IN ('open', 'updated') AND triage_status = 'new'
        WHEN 'in_progress' THEN status IN ('open', 'updated') AND triage_status = 'in_progress'
        WHEN 'closed' THEN status = 'closed' OR triage_status = 'closed'
        WHEN 'suppressed' THEN status = 'suppressed'
        ELSE true
    END;
