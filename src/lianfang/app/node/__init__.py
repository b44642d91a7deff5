"""A node: the decider (hot path), the desk (everything people touch), and the one who starts and watches both."""
