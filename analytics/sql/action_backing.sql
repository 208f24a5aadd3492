-- view: action_backing
-- needs: numbered_backing
-- about: One row per action: the verdict on the decision behind it, the reason, and the decision that came closest.
CREATE OR REPLACE VIEW action_backing AS
SELECT * EXCLUDE (action_no, decision_no, own, claimed, staleness)
FROM numbered_backing;
