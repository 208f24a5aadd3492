-- Agents that hold permissions which their permitted actions did not use, over the window, and any unused permission of
-- high risk. What the removal would have broken is counted by `least_privilege`, and the fleet's rate stands beside the
-- agent's. Dormant, too new and scopes-only identities are counted apart in `privilege_fleet` and never fire.
WITH replay AS (
    SELECT
        tenant_id, agent, max(replayed_actions) AS replayed_actions, max(broken_actions) AS broken_actions
    FROM least_privilege
    GROUP BY tenant_id, agent
)

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
        'window_end_time': u.window_end_time, 'threshold': p.unused_threshold,
        'definition': 'permissions held through the whole window that no permitted action used, of those held through it',
        'high_risk': p.high_risk, 'replayed_actions': coalesce(r.replayed_actions, 0),
        'broken_actions': coalesce(r.broken_actions, 0), 'fleet_definition': f.definition,
        'fleet_flagged': f.flagged, 'fleet_eligible': f.eligible, 'fleet_rate': round(f.rate, 4),
        'fleet_rate_low': round(f.rate_low, 4), 'fleet_rate_high': round(f.rate_high, 4),
        'fleet_dormant': f.dormant, 'fleet_too_new': f.too_new, 'fleet_scopes_only': f.scopes_only
    } AS evidence,
    u.window_start_time AS first_seen_time,
    u.window_end_time AS last_seen_time
FROM privilege_usage AS u
CROSS JOIN params AS p
CROSS JOIN privilege_fleet AS f
LEFT JOIN replay AS r ON r.agent = u.agent AND r.tenant_id IS NOT DISTINCT FROM u.tenant_id
WHERE u.eligibility = 'eligible' AND (u.unused_rate >= p.unused_threshold OR len(u.unused_high_risk) > 0);
