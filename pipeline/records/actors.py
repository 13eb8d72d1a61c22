"""Who does something: what authentication said, never what somebody wrote into a field."""

from __future__ import annotations

from pipeline.records.base import Fact

ACTOR_KINDS = ("user", "key", "os_user", "system")
AUTHENTICATIONS = ("oidc", "api_key", "totp", "os", "none")


class Actor(Fact, frozen=True):
    """`kind` is one of ACTOR_KINDS, `auth` one of AUTHENTICATIONS: how we know.

    `id` tells this actor from all others of its kind for good: issuer and subject of a user, the id of a key,
    `user@host` of an account of a machine. `name` is for reading and may change.
    """

    kind: str
    id: str
    name: str
    auth: str

    def __repr__(self) -> str:
        return f"<Actor {self.kind} {self.id}>"


SYSTEM = Actor("system", "afluente", "afluente", "none")
