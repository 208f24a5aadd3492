-- view: least_privilege
-- needs: privilege_usage, action_backing, params
-- about: What each agent could do with: one row per permission that it holds at the end of the window, with what to do about
--        it, and how many actions of the window that would have broken, counted by replaying them against what is left.
-- column tenant_id: Its tenant.
-- column agent: The agent.
-- column permission: The permission held, as `resource_type.action`, or a wildcard.
-- column proposal: keep, remove or narrow. Agents that cannot be judged keep all.
-- column to: What it is narrowed to, or that it stays as; empty for what is removed.
-- column uses: Permitted actions of the window that it covered and that a decision of their own stood behind.
-- column last_used_time: The last of them.
-- column grants: The grants that give it, each with its id, since when, until when, and whether it is standing.
-- column held_since_time: Since when it is held.
-- column standing: Whether one of the grants holds until it is revoked.
-- column sensitivity: Sensitivity as the grants say, 0 to 4; null where none does.
-- column reason: used; unused; wider_than_used (a wildcard); covered_by_others (a wildcard used for nothing else);
--        used_in_doubt (only by actions whose decision was not rightly theirs: settle those first); unclear_use (used for
--        what names no permission); granted_later (within the window); dormant and too_new (the agent).
-- column would_break: Actions that ran with an allow, whatever the verdict on them, that the permission covers and that no
--        permission left covers.
-- column replayed_actions: Actions of the agent that were replayed.
-- column broken_actions: Those that a permission of the agent covers now, and none would by the proposal.
-- column window_start_time: Start of the window.
-- column window_end_time: End of the window.
CREATE OR REPLACE TABLE privilege_actions AS
SELECT
    coalesce(b.tenant_id, '') AS tenant,
    b.agent,
    coalesce(b.resource_type, b.decision_resource_type, '') || '.' || coalesce(b.action, b.decision_action, '') AS permission,
    coalesce(b.resource_type, b.decision_resource_type, '') || '.*' AS any_action,
    coalesce(b.resource_type, b.decision_resource_type, '') <> '' AND coalesce(b.action, b.decision_action, '') <> '' AS named,
    count(*) AS ran,
    count(*) FILTER (WHERE b.verdict IN ('backed', 'stale')) AS uses,
    max(b.event_time) FILTER (WHERE b.verdict IN ('backed', 'stale')) AS last_time
FROM action_backing AS b
CROSS JOIN privilege_window AS w
WHERE b.executed AND b.decision = 'allow' AND b.event_time BETWEEN w.from_time AND w.to_time AND b.agent IS NOT NULL
GROUP BY ALL;

CREATE OR REPLACE TABLE privilege_proposals AS
WITH held AS (
    SELECT
        g.tenant, g.agent, g.permission,
        g.permission IN ('*', '*.*') OR ends_with(g.permission, '.*') AS wildcard,
        list({'grant_id': g.grant_id, 'from_time': g.from_time, 'until_time': g.until_time, 'standing': g.standing}
            ORDER BY g.from_time, g.grant_id) AS grants,
        min(g.from_time) AS since_time,
        bool_or(g.standing) AS standing,
        max(g.sensitivity) AS sensitivity,
        bool_or(g.from_time <= w.from_time) AS throughout
    FROM grants AS g
    CROSS JOIN privilege_window AS w
    WHERE g.from_time <= w.to_time AND (g.until_time IS NULL OR g.until_time >= w.to_time)
    GROUP BY ALL
),

-- A wildcard need not give again what a permission of that very name gives.
covered AS (
    SELECT
        h.tenant, h.agent, h.permission,
        sum(u.uses) AS uses,
        max(u.last_time) AS last_time,
        bool_and(u.named) AS named,
        list_sort(list(u.permission) FILTER (WHERE x.permission IS NULL)) AS needed
    FROM held AS h
    JOIN privilege_actions AS u
        ON u.tenant = h.tenant AND u.agent = h.agent AND h.permission IN (u.permission, u.any_action, '*', '*.*')
    LEFT JOIN held AS x
        ON h.wildcard AND NOT x.wildcard AND x.tenant = u.tenant AND x.agent = u.agent AND x.permission = u.permission
    GROUP BY ALL
),

judged AS (
    SELECT
        h.*, c.last_time,
        coalesce(c.uses, 0) AS uses,
        c.needed,
        CASE
            WHEN p.eligibility <> 'eligible' THEN p.eligibility
            WHEN NOT h.throughout THEN 'granted_later'
            WHEN c.uses IS NULL THEN 'unused'
            WHEN c.uses = 0 THEN 'used_in_doubt'
            WHEN NOT h.wildcard THEN 'used'
            WHEN NOT c.named THEN 'unclear_use'
            WHEN c.needed IS NULL THEN 'covered_by_others'
            ELSE 'wider_than_used'
        END AS reason
    FROM held AS h
    JOIN privilege_usage AS p ON coalesce(p.tenant_id, '') = h.tenant AND p.agent = h.agent
    LEFT JOIN covered AS c ON c.tenant = h.tenant AND c.agent = h.agent AND c.permission = h.permission
)

SELECT
    * EXCLUDE (needed, wildcard, throughout),
    CASE
        WHEN reason IN ('unused', 'covered_by_others') THEN 'remove'
        WHEN reason = 'wider_than_used' THEN 'narrow'
        ELSE 'keep'
    END AS proposal,
    CASE
        WHEN reason IN ('unused', 'covered_by_others') THEN []
        WHEN reason = 'wider_than_used' THEN needed
        ELSE [permission]
    END AS left_over
FROM judged;

CREATE OR REPLACE TABLE least_privilege AS
WITH remaining AS (
    SELECT DISTINCT tenant, agent, unnest(left_over) AS permission
    FROM privilege_proposals
),

replayed AS (
    SELECT
        u.tenant, u.agent, u.permission, u.any_action, u.ran,
        bool_or(coalesce(r.permission IN (u.permission, u.any_action, '*', '*.*'), false)) AS still_covered
    FROM privilege_actions AS u
    LEFT JOIN remaining AS r ON r.tenant = u.tenant AND r.agent = u.agent
    GROUP BY ALL
),

hits AS (
    SELECT p.tenant, p.agent, p.permission, u.permission AS ran_permission, u.ran
    FROM privilege_proposals AS p
    JOIN replayed AS u
        ON u.tenant = p.tenant AND u.agent = p.agent AND NOT u.still_covered
        AND p.permission IN (u.permission, u.any_action, '*', '*.*')
),

breaks AS (
    SELECT tenant, agent, permission, sum(ran) AS would_break FROM hits GROUP BY ALL
),

broken AS (
    SELECT tenant, agent, sum(ran) AS actions
    FROM (SELECT DISTINCT tenant, agent, ran_permission, ran FROM hits)
    GROUP BY ALL
),

totals AS (
    SELECT tenant, agent, sum(ran) AS actions FROM privilege_actions GROUP BY ALL
)

SELECT
    nullif(p.tenant, '') AS tenant_id,
    p.agent,
    p.permission,
    p.proposal,
    p.left_over AS "to",
    p.uses::BIGINT AS uses,
    p.last_time AS last_used_time,
    p.grants,
    p.since_time AS held_since_time,
    p.standing,
    p.sensitivity,
    p.reason,
    coalesce(b.would_break, 0)::BIGINT AS would_break,
    coalesce(t.actions, 0)::BIGINT AS replayed_actions,
    coalesce(k.actions, 0)::BIGINT AS broken_actions,
    w.from_time AS window_start_time,
    w.to_time AS window_end_time
FROM privilege_proposals AS p
CROSS JOIN privilege_window AS w
LEFT JOIN breaks AS b ON b.tenant = p.tenant AND b.agent = p.agent AND b.permission = p.permission
LEFT JOIN broken AS k ON k.tenant = p.tenant AND k.agent = p.agent
LEFT JOIN totals AS t ON t.tenant = p.tenant AND t.agent = p.agent;
