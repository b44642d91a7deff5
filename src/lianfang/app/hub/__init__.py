"""The hub's process: its folder and settings, its doors, its work of each second."""
