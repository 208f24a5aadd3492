-- needs: checkpoints
SELECT number, checkpoint_time, key_id
FROM checkpoints
ORDER BY number DESC
LIMIT 1;
