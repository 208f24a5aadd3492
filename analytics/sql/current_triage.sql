-- view: current_triage
-- needs: triage
-- about: The newest state of the work on each finding that somebody has worked on: who made it, and how many entries led to it.
-- column finding_id: The finding.
-- column version: How many entries were made on it.
-- column status: State of the work: new, in_progress or closed.
-- column assignee: Who works on it.
-- column disposition: Outcome, once closed.
-- column comment: What was written with the newest entry.
-- column actor: Who made the newest entry.
-- column triage_time: When it was made.
CREATE OR REPLACE VIEW current_triage AS
SELECT finding_id, version, status, assignee, disposition, comment, actor, triage_time
FROM triage
QUALIFY row_number() OVER (PARTITION BY finding_id ORDER BY version DESC, triage_time DESC, triage_id) = 1;
