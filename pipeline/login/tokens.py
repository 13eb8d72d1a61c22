"""What a provider signs: ID tokens and logout tokens, checked against its keys and against what we asked for.

The algorithms are a fixed list of signatures with a key pair: neither `none`, nor a code that the provider's public
key, or the client's secret, would open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from pipeline.login.errors import SignInError

Key = RSAKey | ECKey | OKPKey
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
LEEWAY_SECONDS = 60.0
_LONGEST_TOKEN = 262_144  # characters; groups by the hundred stand in some
_LOGOUT_SECONDS = 600.0  # from when a logout token was made
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_KEY_KINDS: dict[str, type[Key]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}


class _Registry(jws.JWSRegistry):
    """Room for certificates in the header, and for groups by the hundred."""

    max_header_length = 16_384
    max_payload_length = _LONGEST_TOKEN


class ProviderKey:
    """A public key of a provider, and the algorithms that it may sign with."""

    def __init__(self, kid: str | None, key: Key, algorithms: tuple[str, ...]) -> None:
        self.kid = kid
        self.key = key
        self.algorithms = algorithms


def read_keys(document: Any) -> list[ProviderKey]:
    """The keys of a set (JWKS) that may sign for us; others are passed over. Empty where it is no set."""
    entries = document.get("keys") if isinstance(document, dict) else None
    found = (
        [_read_key(entry) for entry in entries or () if isinstance(entry, dict)] if isinstance(entries, list) else []
    )
    return [key for key in found if key is not None]


def _read_key(entry: Mapping[str, Any]) -> ProviderKey | None:
    kind = _KEY_KINDS.get(str(entry.get("kty")))
    if kind is None or entry.get("use", "sig") != "sig":
        return None
    public = {name: value for name, value in entry.items() if name in ("kty", "n", "e", "crv", "x", "y")}
    try:
        key = kind.import_key(public)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    suiting = _suiting(entry)
    named = entry.get("alg")
    algorithms = suiting if named is None else tuple(name for name in suiting if name == named)
    kid = entry.get("kid")
    return ProviderKey(kid if isinstance(kid, str) else None, key, algorithms) if algorithms else None


def _suiting(entry: Mapping[str, Any]) -> tuple[str, ...]:
    if entry["kty"] == "RSA":
        return tuple(name for name in ALGORITHMS if name[:2] in ("RS", "PS"))
    if entry["kty"] == "EC":
        return tuple(name for curve, name in _CURVES.items() if curve == entry.get("crv"))
    return ("EdDSA", "Ed25519") if entry.get("crv") == "Ed25519" else ()


def header_of(token: str) -> dict[str, Any]:
    """The header, of which nothing is believed: it says which key to look for. Raises SignInError."""
    if not isinstance(token, str) or len(token) > _LONGEST_TOKEN or token.count(".") != 2:
        raise SignInError("token_unreadable", "the provider sent no signed token that can be read")
    try:
        return dict(jws.extract_compact(token.encode("ascii"), registry=_registry(*ALGORITHMS)).headers())
    except (JoseError, ValueError, TypeError):
        raise SignInError("token_unreadable", "the provider sent no signed token that can be read") from None


def open_token(token: str, keys: Sequence[ProviderKey]) -> dict[str, Any]:
    """The claims of a token that one of these keys signed. Raises SignInError."""
    algorithm = header_of(token).get("alg")
    if algorithm not in ALGORITHMS:
        raise SignInError("algorithm_refused", "the provider's token is signed in a way that is not taken here")
    for key in keys:
        if algorithm not in key.algorithms:
            continue
        try:
            opened = jws.deserialize_compact(token.encode("ascii"), key.key, registry=_registry(algorithm))
            claims = orjson.loads(opened.payload)
        except (JoseError, ValueError, TypeError):
            continue
        if isinstance(claims, dict):
            return claims
    raise SignInError("signature_wrong", "the provider's token is not signed with one of the provider's keys")


def _registry(*algorithms: str) -> jws.JWSRegistry:
    # Other headers than the standard ones are no fault: providers write their own beside them.
    return _Registry(algorithms=algorithms, strict_check_header=False)


def check_id_token(
    claims: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str, now: float, authenticated_after: float | None
) -> None:
    """What an ID token must say (OpenID Connect Core, 3.1.3.7). `authenticated_after`: a moment, where the provider was
    asked to make sure of somebody once more. Raises SignInError, which names the claim."""
    _check_common(claims, issuer=issuer, client_id=client_id, now=now)
    if _number(claims, "exp") + LEEWAY_SECONDS < now:
        raise _wrong("exp", "it is over; compare the clocks of both machines")
    given = claims.get("nonce")
    if not isinstance(given, str) or given != nonce:
        raise _wrong("nonce", "it was not made for this sign-in")
    if not isinstance(claims.get("sub"), str) or not 0 < len(claims["sub"]) <= 255:
        raise _wrong("sub", "it does not say who")
    if authenticated_after is not None and _number(claims, "auth_time") + LEEWAY_SECONDS < authenticated_after:
        raise _wrong("auth_time", "the provider did not ask once more")


def check_logout_token(claims: Mapping[str, Any], *, issuer: str, client_id: str, now: float) -> None:
    """What a logout token must say (OpenID Connect Back-Channel Logout, 2.6). Raises SignInError."""
    _check_common(claims, issuer=issuer, client_id=client_id, now=now)
    if _number(claims, "iat") + _LOGOUT_SECONDS < now:
        raise _wrong("iat", "it is too old")
    if claims.get("exp") is not None and _number(claims, "exp") + LEEWAY_SECONDS < now:
        raise _wrong("exp", "it is over")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(_LOGOUT_EVENT), dict):
        raise _wrong("events", "it is no logout")
    if "nonce" in claims:
        raise _wrong("nonce", "a logout token has none")
    if not isinstance(claims.get("jti"), str) or not 0 < len(claims["jti"]) <= 512:
        raise _wrong("jti", "it has no id")
    told = [claims[name] for name in ("sub", "sid") if claims.get(name) is not None]
    if not told or not all(isinstance(value, str) and value for value in told):
        raise _wrong("sub", "it names neither a user nor a session")


def _check_common(claims: Mapping[str, Any], *, issuer: str, client_id: str, now: float) -> None:
    if claims.get("iss") != issuer:
        raise _wrong("iss", "another issuer made it")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or client_id not in audiences:
        raise _wrong("aud", "it was made for another application")
    party = claims.get("azp")
    if (len(audiences) > 1 and party is None) or (party is not None and party != client_id):
        raise _wrong("azp", "it was made for another application")
    if _number(claims, "iat") - LEEWAY_SECONDS > now:
        raise _wrong("iat", "it was made in the future; compare the clocks of both machines")
    if claims.get("nbf") is not None and _number(claims, "nbf") - LEEWAY_SECONDS > now:
        raise _wrong("nbf", "it does not count yet")


def _number(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name, "it has no such time")
    return float(value)


def _wrong(claim: str, why: str) -> SignInError:
    return SignInError(f"wrong_{claim}", f"the provider's token is refused by its claim {claim}: {why}")
