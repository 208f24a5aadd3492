-- The rate of over-privileged agents over all that can be judged.
-- needs: privilege_fleet
SELECT * FROM privilege_fleet;
