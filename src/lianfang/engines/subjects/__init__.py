"""Subjects in their one normal form, so that the same phone gives every member the same token."""

from lianfang.engines.subjects.normal import canonical, normalise

__all__ = ["canonical", "normalise"]
