-- What decisions can be filtered by.
-- needs: decisions
SELECT
    coalesce(list_sort(list(DISTINCT nullif(tenant, ''))), [])[:500] AS tenants,
    coalesce(list_sort(list(DISTINCT agent) FILTER (WHERE agent IS NOT NULL)), [])[:2000] AS agents,
    coalesce(list_sort(list(DISTINCT action) FILTER (WHERE action IS NOT NULL)), [])[:500] AS actions,
    coalesce(list_sort(list(DISTINCT resource_type) FILTER (WHERE resource_type IS NOT NULL)), [])[:500] AS resource_types,
    min(decision_time) AS first_time, max(decision_time) AS last_time, count(*) AS decisions
FROM decisions;
