"""Who may call, and who may look and act: API keys of the node's doors, people and their sessions at its console."""

from lianfang.services.identity.keys import SCOPES, ApiKey, KeyRing, issue, rotate
from lianfang.services.identity.people import EXTRA, ROLES, Permission, Person, Role

__all__ = ["EXTRA", "ROLES", "SCOPES", "ApiKey", "KeyRing", "Permission", "Person", "Role", "issue", "rotate"]
