"""Money, time, errors, limits: what every floor above may lean on. Imports nothing of ours."""
