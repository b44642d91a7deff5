"""A witness as a process of its own; members usually have one in their node's desk."""
