"""Detection on a schedule: which windows are due, the turns that judge them, and what is wrong with the whole."""
