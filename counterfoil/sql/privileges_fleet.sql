-- The fleet's rate, with all that it rests on.
SELECT
    definition, flagged, eligible, rate, rate_low, rate_high, unused_threshold, high_risk, dormant, too_new, scopes_only,
    window_start_time, window_end_time
FROM privilege_fleet;
