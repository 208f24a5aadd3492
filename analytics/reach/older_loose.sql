-- Decisions without a run from before `oldest_time` that still hold, and that an action may be matched with. `span_from` is
-- when the oldest of what is looked at was.
INSERT INTO older_hits
SELECT d.decision_id
FROM lasting_decisions AS d
JOIN any_resource AS k ON k.agent = d.agent AND k.action = d.action
WHERE d.expires_time >= getvariable('span_from');
