"""The lake of a node: what its rules call the features, and the entries of record that its use leaves."""

from lianfang.app.lake.node import entry, feature_names, files_of

__all__ = ["entry", "feature_names", "files_of"]
