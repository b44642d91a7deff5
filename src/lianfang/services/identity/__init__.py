"""Who may call: API keys of the node's doors. (People's sign-in and payment authentication come with later rooms.)"""

from lianfang.services.identity.keys import SCOPES, ApiKey, KeyRing, issue, rotate

__all__ = ["SCOPES", "ApiKey", "KeyRing", "issue", "rotate"]
