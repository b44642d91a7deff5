"""The processes people start: node, demo, bench; settings; the command line. The only floor that puts others together."""
