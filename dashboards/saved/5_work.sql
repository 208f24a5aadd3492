-- Work on findings: who closed what as what
SELECT t.triage_time, t.actor, t.disposition, f.rule_id, f.level, f.title, t.comment
FROM current_triage AS t
JOIN current_findings AS f ON f.finding_id = t.finding_id
WHERE t.status = 'closed'
ORDER BY t.triage_time DESC;
