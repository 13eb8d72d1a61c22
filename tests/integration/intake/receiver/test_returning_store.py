"""A store of secrets that stops and comes back with another value and another token while webhooks flow: none is lost,
and nothing of ours is started again."""

from __future__ import annotations

import pytest

from tests.integration.intake.test_rotated_secrets import FIRST, SECOND, Sender, configured, proofs
from tests.support.intake_server import count_events, running_receiver
from tests.support.secret_stores import needs_openbao, running_openbao

pytestmark = pytest.mark.usefixtures("database")


@needs_openbao
@pytest.mark.long
def test_a_store_that_comes_back_with_another_value_and_another_token_loses_no_message(tmp_path, monkeypatch):
    token = tmp_path / "token"
    with running_openbao(tmp_path) as bao:
        bao.put("hooks", signing=FIRST)
        token.write_text(bao.new_token())
        env = {"VAULT_ADDR": bao.url, "VAULT_TOKEN_FILE": str(token)}
        known = configured(tmp_path, monkeypatch, "vault:secret/hooks#signing", env)
        with running_receiver(known) as receiver:
            sender = Sender(receiver)

            def come_back():
                bao.start()  # it has forgotten everything, the token too
                bao.put("hooks", signing=SECOND)
                token.write_text(bao.new_token())
                sender.secret = SECOND

            sender.keep_sending(1.0, bao.stop)
            sender.keep_sending(2.0, come_back)
            assert sender.send(FIRST) == 200  # was on its way
            assert set(sender.statuses) == {200}
            assert len(sender.statuses) > 20
            assert set(proofs(receiver)) == {"newest", "older"}
    assert count_events("standard_webhooks") == len(sender.statuses)
