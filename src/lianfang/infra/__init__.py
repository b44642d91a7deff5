"""Where bytes rest and travel: journal, records, HTTP."""
