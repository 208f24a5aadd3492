-- view: traces
-- needs: events
-- about: One row per trace: whose run it is. A value stays null where the events of the trace disagree about it; a trace
--        id that more than one tenant uses is shared, and then its events are told apart by tenant.
CREATE OR REPLACE TABLE traces AS
SELECT
    trace_id,
    CASE WHEN min(tenant_id) = max(tenant_id) THEN min(tenant_id) END AS tenant_id,
    coalesce(min(tenant_id) <> max(tenant_id), false) AS shared,
    CASE WHEN min(environment) = max(environment) THEN min(environment) END AS environment,
    coalesce(
        min(on_behalf_of) FILTER (WHERE event_type = 'run_start'),
        CASE WHEN min(on_behalf_of) = max(on_behalf_of) THEN min(on_behalf_of) END
    ) AS on_behalf_of,
    min(event_time) FILTER (WHERE NOT time_estimated) AS start_time,
    max(coalesce(end_time, event_time)) FILTER (WHERE NOT time_estimated) AS stop_time,
    arg_min(task_scopes, {'at': event_time, 'id': event_id}) FILTER (WHERE task_scopes IS NOT NULL AND parent_key IS NULL) AS task_scopes
FROM events
WHERE trace_id IS NOT NULL
GROUP BY trace_id;

-- A number in place of the name, for joins of many rows.
CREATE OR REPLACE VIEW numbered_traces AS
SELECT rowid AS trace_no, *
FROM traces;

-- Grouped, which changes nothing, so that DuckDB sees that a number has one name: it then leaves the join out wherever no
-- name is asked for.
CREATE OR REPLACE VIEW trace_names AS
SELECT trace_no, any_value(trace_id) AS trace_id
FROM numbered_traces
GROUP BY trace_no;
