"""How we prove to a source who asks: a fixed secret in each of its usual places, or a token of OAuth 2.0.

A declaration names secrets; what they are, and the tokens that are had for them, is the pipeline's to keep (`Keys`).
"""

from connectors.kit.sources.auth.fixed import Basic, Bearer, HeaderKey, QueryKey, auth_of, plain_of
from connectors.kit.sources.auth.marks import FixedAccess, TokenAccess, send_marked
from connectors.kit.sources.auth.oauth import OAuthClient, OAuthCode
from connectors.kit.sources.declarations import Access, Auth, Client, Grant, Keys, Mark

__all__ = [
    "Access",
    "Auth",
    "Basic",
    "Bearer",
    "Client",
    "FixedAccess",
    "Grant",
    "HeaderKey",
    "Keys",
    "Mark",
    "OAuthClient",
    "OAuthCode",
    "QueryKey",
    "TokenAccess",
    "auth_of",
    "plain_of",
    "send_marked",
]
