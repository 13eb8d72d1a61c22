"""`aws:ID#KEY`: AWS Secrets Manager, by boto3 (the extra `aws`): its usual credentials, region and endpoint."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from pipeline.settings.stores.found import FoundSecret, SecretUnavailableError

FORM = "aws:ID#KEY, with @STAGE for another stage than AWSCURRENT"
PLACE = re.compile(r"(?P<id>[^#\s]+)#(?P<key>[^#@\s]+)(?:@(?P<stage>[A-Za-z0-9_.-]+))?")
VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
)
_GONE = ("ResourceNotFoundException",)
_DENIED = ("AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException", "InvalidSignatureException")


def fetch(place: str, env: Mapping[str, str]) -> FoundSecret:
    """Raises SecretUnavailableError."""
    what = f"the secret aws:{place}"
    parts = PLACE.fullmatch(place)
    if parts is None:
        raise SecretUnavailableError(f"{what} is not written as {FORM}", is_refused=True)
    answer = _value(what, env, {"SecretId": parts["id"], "VersionStage": parts["stage"] or "AWSCURRENT"})
    text = answer.get("SecretString")
    try:
        found = orjson.loads(text) if isinstance(text, str) else None
    except orjson.JSONDecodeError:
        found = None
    value = found.get(parts["key"]) if isinstance(found, dict) else None
    if not isinstance(value, str):
        raise SecretUnavailableError(f"{what}: there is no text {parts['key']} in its JSON object", is_refused=True)
    return FoundSecret(value, datetime.now(UTC), version=str(answer.get("VersionId") or "") or None)


def _value(what: str, env: Mapping[str, str], asked: Mapping[str, str]) -> dict[str, Any]:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise SecretUnavailableError(
            f"{what}: install what reads it: pip install 'afluente[aws]'", is_refused=True
        ) from None
    for name in ("boto3", "botocore"):  # at DEBUG they write down what they were answered
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        session = boto3.session.Session(
            aws_access_key_id=env.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=env.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=env.get("AWS_SESSION_TOKEN"),
            region_name=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION"),
            profile_name=env.get("AWS_PROFILE"),
        )
        client = session.client(
            "secretsmanager",
            endpoint_url=env.get("AWS_ENDPOINT_URL_SECRETS_MANAGER") or env.get("AWS_ENDPOINT_URL"),
            config=Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 2}),
        )
        answer: dict[str, Any] = client.get_secret_value(**asked)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _GONE:
            raise SecretUnavailableError(f"{what}: there is none of this id or stage", is_refused=True) from None
        raise SecretUnavailableError(
            f"{what}: Secrets Manager answers {code[:60] or 'an error'}", is_refused=code in _DENIED
        ) from None
    except (BotoCoreError, ValueError) as error:  # no credentials, no region, no connection
        raise SecretUnavailableError(f"{what}: {type(error).__name__}: check AWS's region and credentials") from None
    return answer
