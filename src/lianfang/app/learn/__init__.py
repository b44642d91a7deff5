"""Learning from history: what the commands that look back on stored payments share."""
