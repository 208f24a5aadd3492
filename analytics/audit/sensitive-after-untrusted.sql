-- audit: sensitive-after-untrusted
-- question: Which sensitive actions did agents take after reading untrusted content in the same run?
-- reads: action_backing, ancestors
-- parameter sensitivity number = 3: From this sensitivity on.
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per action that ran, with what untrusted content its agent, or an agent upstream of it, had read
--   before it in the run (the first of it), and whether the action was backed and approved.
-- blind: That one followed the other does not prove that it came of it; rule 06 asks for more. What no event or
--   catalogue labels as untrusted is not seen.
SELECT
    b.event_time, b.tenant_id, b.agent, b.on_behalf_of, b.tool_name, b.action, b.resource_type, b.resource_id,
    b.sensitivity,
    b.verdict, b.decision_id, b.approval_id, b.approver,
    min(r.event_time) AS read_time,
    arg_min(r.agent, {'at': r.event_time, 'id': r.event_id}) AS read_by,
    arg_min(r.tool_name, {'at': r.event_time, 'id': r.event_id}) AS read_tool,
    count(*) AS reads, b.trace_id, b.event_id
FROM action_backing AS b
JOIN action_backing AS r
    ON r.trace_id = b.trace_id AND r.tenant_id IS NOT DISTINCT FROM b.tenant_id AND r.event_time < b.event_time
    AND r.executed
    AND list_contains(r.labels, 'untrusted_content')
LEFT JOIN ancestors AS a ON a.trace_id = b.trace_id AND a.agent = b.agent AND a.ancestor = r.agent
WHERE b.executed AND b.sensitivity >= $sensitivity
    AND (r.agent = b.agent OR a.ancestor IS NOT NULL)
    AND ($tenant IS NULL OR b.tenant_id = $tenant)
    AND ($since IS NULL OR b.event_time >= $since)
    AND ($until IS NULL OR b.event_time < $until)
GROUP BY ALL
ORDER BY b.event_time, b.event_id;
