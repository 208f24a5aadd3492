-- view: current_findings
-- needs: findings, triage
-- about: The newest state of each finding, with the newest state of the work on it.
CREATE OR REPLACE VIEW current_findings AS
WITH latest AS (
    SELECT *
    FROM findings
    QUALIFY row_number() OVER (PARTITION BY finding_id ORDER BY revision DESC, recorded_time DESC, run_id DESC) = 1
),

work AS (
    SELECT *
    FROM triage
    QUALIFY row_number() OVER (PARTITION BY finding_id ORDER BY version DESC, triage_time DESC) = 1
)

SELECT
    f.*,
    coalesce(w.status, 'new') AS triage_status,
    w.assignee,
    w.disposition,
    coalesce(w.version, 0) AS triage_version
FROM latest AS f
LEFT JOIN work AS w ON w.finding_id = f.finding_id;
