-- step: unmatched
-- needs: actions, open_actions, traces, cited, paired, learned_tools
-- frees: open_actions
-- about: The actions that no rung matched, with what their tool is known to do.
CREATE OR REPLACE TABLE unmatched AS
SELECT o.action_no, o.tenant, r.trace_id, o.trace_no, o.agent, o.resource_id, CAST(NULL AS VARCHAR) AS attributes,
    o.event_time, o.until_time, o.action, o.resource_type
FROM open_actions AS o
LEFT JOIN paired AS m ON m.action_no = o.action_no
LEFT JOIN numbered_traces AS r ON r.trace_no = o.trace_no
WHERE m.action_no IS NULL
UNION ALL
-- Those that do not tell what they did; only an id ties one of them to a decision.
SELECT a.action_no, a.tenant, r.trace_id, a.trace_no, a.agent, a.resource_id, a.attributes, a.event_time, a.until_time,
    coalesce(a.action, l.action),
    CASE WHEN a.action IS NULL THEN coalesce(a.resource_type, l.resource_type) ELSE a.resource_type END
FROM numbered_actions AS a
LEFT JOIN numbered_traces AS r ON r.trace_no = a.trace_no
LEFT JOIN cited AS m ON m.action_no = a.action_no
LEFT JOIN learned_tools AS l ON a.action IS NULL AND l.tool_name = a.tool_name
WHERE a.vague AND m.action_no IS NULL;
