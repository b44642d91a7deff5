"""The work of people who judge: what they searched for, alerts to work on, files of outcomes."""

from lianfang.services.cases.queries import SavedQuery

__all__ = ["SavedQuery"]
