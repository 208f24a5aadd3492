-- Open findings that rest on an event, severest first.
-- needs: current_findings
SELECT finding_id, level, rule_id
FROM current_findings
WHERE list_contains(anchor_event_ids, $event_id) AND status IN ('open', 'updated')
ORDER BY list_position(['critical', 'high', 'medium', 'low', 'informational'], level), rule_id, finding_id
LIMIT 10;
