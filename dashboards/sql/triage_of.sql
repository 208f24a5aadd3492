-- How the work on some findings stands; those that nobody has worked on are absent.
-- needs: current_triage
SELECT finding_id, version, status, assignee, disposition, comment, actor, triage_time
FROM current_triage
WHERE list_contains($finding_ids::VARCHAR[], finding_id);
