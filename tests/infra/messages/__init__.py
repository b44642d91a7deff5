"""Tests of the messages banks send."""
