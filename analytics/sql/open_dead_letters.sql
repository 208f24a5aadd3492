-- view: open_dead_letters
-- needs: dead_letters, replays
-- about: Dead letters that no replay has resolved yet.
CREATE OR REPLACE VIEW open_dead_letters AS
SELECT d.*
FROM dead_letters AS d
WHERE NOT EXISTS (SELECT 1 FROM replays AS r WHERE r.dead_letter_id = d.dead_letter_id);
