"""A keyholder's process: a share of every token key, behind a door that meters and logs."""
