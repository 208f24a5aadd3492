-- audit: delegation-chains
-- question: How long did chains of delegation become, and who stood at their beginning?
-- reads: authority_trace
-- parameter least number = 2: Chains of at least so many handoffs.
-- parameter tenant text = none: Of this tenant; of all without it.
-- parameter since time = none: From this moment on; from the beginning without it.
-- parameter until time = none: Before this moment; to the end without it.
-- answer: One row per chain of agents, the longest first: how many handoffs, for whom, how many actions at its end and
--   how many of them were not backed.
-- blind: `complete` is false where the chain is longer than `correlate.hops`: then its beginning is missing.
SELECT
    depth, path_agents, tenant_id, bool_and(path_complete) AS complete, count(*) AS actions,
    count(*) FILTER (WHERE verdict <> 'backed') AS not_backed, count(DISTINCT trace_id) AS traces,
    list_slice(list_sort(list(DISTINCT on_behalf_of)), 1, 20) AS on_behalf_of, min(event_time) AS first_time,
    max(event_time) AS last_time
FROM authority_trace
WHERE depth >= $least
    AND ($tenant IS NULL OR tenant_id = $tenant)
    AND ($since IS NULL OR event_time >= $since)
    AND ($until IS NULL OR event_time < $until)
GROUP BY depth, path_agents, tenant_id
ORDER BY depth DESC, actions DESC, tenant_id, path_agents;
