-- Agents that hold permissions which their permitted actions did not use, over the window, and any unused permission of
-- high risk. Dormant, too new and scopes-only identities are counted apart in `privilege_fleet` and never fire.
SELECT
    u.tenant_id,
    NULL::VARCHAR AS environment,
    u.agent,
    NULL::VARCHAR AS trace_id,
    NULL::VARCHAR AS tool_name,
    NULL::VARCHAR AS action,
    NULL::VARCHAR AS resource_type,
    NULL::VARCHAR AS resource_id,
    NULL::VARCHAR AS verdict,
    CASE WHEN len(u.unused_high_risk) > 0 THEN 'unused_high_risk' ELSE 'unused_share' END AS reason,
    CASE WHEN len(u.unused_high_risk) > 0 THEN 'high' ELSE 'medium' END AS level,
    0.8 AS confidence,
    [coalesce(u.tenant_id, ''), u.agent] AS entity_keys,
    []::VARCHAR[] AS anchor_event_ids,
    []::VARCHAR[] AS decision_ids,
    {
        'granted': u.granted, 'used': u.used, 'unused': u.unused, 'unused_rate': u.unused_rate,
        'weighted_unused_rate': u.weighted_unused_rate, 'unused_permissions': u.unused_permissions,
        'unused_high_risk': u.unused_high_risk, 'standing_share': u.standing_share,
        'permitted_actions': u.permitted_actions, 'window_start_time': u.window_start_time,
        'window_end_time': u.window_end_time, 'threshold': p.unused_threshold
    } AS evidence,
    u.window_start_time AS first_seen_time,
    u.window_end_time AS last_seen_time
FROM privilege_usage AS u
CROSS JOIN params AS p
WHERE u.eligibility = 'eligible' AND (u.unused_rate >= p.unused_threshold OR len(u.unused_high_risk) > 0);
