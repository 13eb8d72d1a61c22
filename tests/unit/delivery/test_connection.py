"""How a destination is reached: what is not set is a sentence that names the setting."""

from __future__ import annotations

import pytest

from pipeline.delivery.writers import connection_to
from pipeline.errors import ConfigurationError
from pipeline.settings.loading import load_settings


def test_a_secret_that_a_writer_needs_and_nobody_set_is_named_as_a_setting(tmp_path):
    config = tmp_path / "afluente.yaml"
    config.write_text(
        "destinations:\n  crm: {kind: salesforce, base_url: 'https://crm.example.com', secrets: {client_id: env:ID}}\n"
    )
    known = load_settings({"AFLUENTE_CONFIG": str(config), "ID": "someone"}, data=tmp_path)
    secrets = connection_to("crm", known).secrets
    assert secrets["client_id"] == "someone"
    assert secrets.get("access_token") is None
    with pytest.raises(ConfigurationError, match=r"destinations\.crm\.secrets\.client_secret is not set"):
        secrets["client_secret"]
