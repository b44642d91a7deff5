"""Learning from history: a history to a model folder, and how the two computations of features agree."""
