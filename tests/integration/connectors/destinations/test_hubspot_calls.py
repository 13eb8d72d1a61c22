"""Calls to HubSpot that come to nothing as a whole, each sorted by what happens next; tokens and the check."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from connectors.kit import ConfigurationError, QuotaError, RecordError, TerminalError, TransientError
from tests.support.hubspot_crm import OAUTH, READ, bad, batch, connection, good, invalid, people, said, write, writer


def refused(category, message="", **more):
    return {"status": "error", "category": category, "message": message, "correlationId": "c", **more}


class TestOutages:
    @pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 521, 523, 524])
    def test_a_failing_server_is_asked_again_later(self, server, status):
        with pytest.raises(TransientError):
            write(server, (status, {}, b"<html>"))

    @pytest.mark.parametrize(("headers", "wait"), [({}, 2.0), ({"Retry-After": "1"}, 2.0), ({"Retry-After": "9"}, 9.0)])
    def test_a_lock_waits_two_seconds_or_longer(self, server, headers, wait):
        with pytest.raises(TransientError) as caught:
            write(server, (423, headers, b""))
        assert caught.value.retry_after == wait

    @pytest.mark.parametrize(
        ("headers", "wait"), [({}, 3600.0), ({"Retry-After": "600"}, 600.0), ({"Retry-After": "86400"}, 3600.0)]
    )
    def test_an_account_that_is_moved_is_left_alone_as_told(self, server, headers, wait):
        with pytest.raises(TransientError) as caught:
            write(server, (477, headers, b""))
        assert caught.value.retry_after == wait

    @pytest.mark.parametrize("status", [522, 525, 526])
    def test_what_hubspot_wants_to_be_told_of_halts_and_says_so(self, server, status):
        with pytest.raises(TerminalError, match="support"):
            write(server, (status, {}, b""))

    def test_a_hung_up_line_is_asked_again_later(self, server):
        with pytest.raises(TransientError, match="no usable answer"):
            write(server, None)

    def test_a_slow_server_is_asked_again_later(self, server):
        with pytest.raises(TransientError):
            write(server, (200, {"Content-Length": "9"}, b"{"), timeout_seconds=0.2)

    @pytest.mark.parametrize(
        "body", [b"<html>Welcome</html>", b"[]", b"", b"null", b"{}", b'{"results": {}}', b'{"res']
    )
    @pytest.mark.parametrize("status", [200, 207])
    def test_a_success_without_a_list_of_results_proves_nothing(self, server, status, body):
        with pytest.raises(TransientError, match=f"answered {status}"):
            write(server, (status, {}, body))


class TestQuotas:
    rolling = refused(
        "RATE_LIMITS", "You have reached your ten_secondly_rolling limit.", policyName="TEN_SECONDLY_ROLLING"
    )

    @pytest.mark.parametrize(
        ("headers", "wait"),
        [
            ({}, 10.0),
            ({"X-HubSpot-RateLimit-Interval-Milliseconds": "4000"}, 4.0),
            ({"X-HubSpot-RateLimit-Interval-Milliseconds": "999999999"}, 60.0),
            ({"X-HubSpot-RateLimit-Interval-Milliseconds": "soon"}, 10.0),
            ({"X-HubSpot-RateLimit-Interval-Milliseconds": "9" * 5000}, 10.0),
            ({"Retry-After": "17"}, 17.0),
        ],
    )
    def test_the_rolling_limit_waits_as_told_or_its_window(self, server, headers, wait):
        with pytest.raises(QuotaError, match="ten seconds") as caught:
            write(server, said(self.rolling, 429, **headers))
        assert caught.value.retry_after == wait

    def test_a_date_says_how_long_as_well(self, server):
        date = formatdate(time.time() + 40, usegmt=True)
        with pytest.raises(QuotaError) as caught:
            write(server, said(self.rolling, 429, **{"Retry-After": date}))
        assert caught.value.retry_after == pytest.approx(40, abs=2)

    @pytest.mark.parametrize(
        "body",
        [{"policyName": "DAILY"}, {"message": "You have reached your daily limit."}],
    )
    def test_the_daily_limit_waits_long(self, server, body):
        with pytest.raises(QuotaError, match="daily") as caught:
            write(server, said({"errorType": "RATE_LIMIT", **body}, 429))
        assert caught.value.retry_after == 3600

    def test_a_429_without_a_word_is_the_rolling_limit(self, server):
        with pytest.raises(QuotaError) as caught:
            write(server, (429, {}, b"<html>"))
        assert caught.value.retry_after == 10


class TestRefusals:
    def test_a_refused_call_of_several_that_names_nobody_is_to_be_halved(self, server):
        error = invalid("INVALID_EMAIL", said_of_it="ada1@example.org of Brandt1 is invalid") | {"context": {}}
        with pytest.raises(RecordError) as caught:
            write(server, said(error, 400), size=3)
        assert (caught.value.code, caught.value.field) == ("INVALID_EMAIL", "email")
        assert not [value for value in ("ada1", "Brandt1") if value in str(caught.value)]
        assert len(server.asked) == 1

    def test_a_refused_call_of_one_is_that_records_refusal(self, server):
        (result,) = write(server, said(invalid("INVALID_EMAIL"), 400))
        assert (result.state, result.code, result.field) == ("rejected", "INVALID_EMAIL", "email")

    @pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'{"message": 7}'])
    def test_a_400_without_a_reason_is_still_of_what_is_in_the_call(self, server, body):
        with pytest.raises(RecordError, match="no_reason_given"):
            write(server, (400, {}, body), size=2)

    def test_a_call_that_is_too_large_is_to_be_halved(self, server):
        with pytest.raises(RecordError, match="call_too_large"):
            write(server, (413, {}, b"<html>"), size=2)

    def test_errors_alone_that_name_nobody_are_to_be_halved(self, server):
        with pytest.raises(RecordError, match="INVALID_OPTION"):
            write(server, batch([], [invalid("INVALID_OPTION") | {"context": {}}]), size=2)

    def test_a_property_that_all_records_have_and_hubspot_has_not_halts(self, server):
        with pytest.raises(TerminalError, match="PROPERTY_DOESNT_EXIST: property firstname"):
            write(server, said(invalid("PROPERTY_DOESNT_EXIST", "firstname"), 400), size=2)

    def test_one_that_not_all_have_is_to_be_halved(self, server):
        with pytest.raises(RecordError, match="PROPERTY_DOESNT_EXIST"):
            write(server, said(invalid("PROPERTY_DOESNT_EXIST", "city"), 400), size=2)

    @pytest.mark.parametrize(
        "error",
        [
            refused("VALIDATION_ERROR", "Unable to perform update/upsert by non-unique 0-1 property"),
            refused("VALIDATION_ERROR", 'Property "afluente_id" does not exist'),
            invalid("PROPERTY_DOESNT_EXIST", "afluente_id"),
        ],
    )
    @pytest.mark.parametrize("size", [1, 2])
    def test_a_key_property_that_is_none_halts_and_says_what_to_make(self, server, error, size):
        with pytest.raises(TerminalError, match=r"afluente_id as the key .*hasUniqueValue"):
            write(server, said(error, 400), size=size)

    def test_a_right_that_is_lacking_is_named(self, server):
        error = refused(
            "MISSING_SCOPES",
            "This app hasn't been granted all required scopes to make this call.",
            errors=[{"message": "One or more", "context": {"requiredGranularScopes": ["crm.objects.contacts.write"]}}],
        )
        with pytest.raises(TerminalError, match=r"403 MISSING_SCOPES: .* it needs crm\.objects\.contacts\.write"):
            write(server, said(error, 403))

    @pytest.mark.parametrize("status", [302, 404, 405, 410])
    def test_a_wrong_address_halts(self, server, status):
        with pytest.raises(TerminalError):
            write(server, (status, {}, b"<html>"))


class TestTokens:
    expired = said({"status": "error", "category": "EXPIRED_AUTHENTICATION"}, 401)

    def test_a_token_that_expired_early_is_renewed_once_and_the_call_repeated(self, server):
        first, second = ({"access_token": name, "expires_in": 1800} for name in ("old", "new"))
        results = write(server, said(first), self.expired, said(second), batch([good()]), secrets=OAUTH)
        assert results[0].state == "written"
        assert server.asked[0]["path"] == "/oauth/v1/token"
        form = b"client_id=i&client_secret=s&grant_type=refresh_token&refresh_token=r"
        assert b"&".join(sorted(server.asked[0]["body"].split(b"&"))) == form
        assert server.asked[0]["headers"]["Content-Type"] == "application/x-www-form-urlencoded"
        assert [call["headers"].get("Authorization") for call in server.asked] == [
            None,
            "Bearer old",
            None,
            "Bearer new",
        ]

    def test_a_token_is_renewed_before_it_expires(self, server):
        server.script = [said({"access_token": "a", "expires_in": 0.001}), batch([good()])]
        opened = writer(server.url, secrets=OAUTH)
        opened.write(people(1))
        server.script = [said({"access_token": "b", "expires_in": 1800}), batch([good()])]
        opened.write(people(1))
        opened.write(people(1))
        assert [call["headers"].get("Authorization") for call in server.asked] == [
            None, "Bearer a", None, "Bearer b", "Bearer b",
        ]  # fmt: skip

    def test_a_token_refused_twice_needs_a_human(self, server):
        with pytest.raises(TerminalError, match="access token is refused"):
            write(
                server,
                said({"access_token": "a"}),
                self.expired,
                said({"access_token": "b"}),
                self.expired,
                secrets=OAUTH,
            )
        assert len(server.asked) == 4

    def test_a_fixed_token_that_is_refused_needs_a_human_at_once(self, server):
        with pytest.raises(TerminalError, match="access token is refused"):
            write(server, self.expired)
        assert len(server.asked) == 1

    def test_a_refresh_token_that_was_revoked_needs_a_human(self, server):
        revoked = said({"status": "BAD_REFRESH_TOKEN", "error": "invalid_grant", "message": "missing or invalid"}, 400)
        with pytest.raises(TerminalError, match=r"invalid_grant.*refresh_token"):
            write(server, revoked, secrets=OAUTH)

    def test_tokens_may_come_from_elsewhere(self, server):
        write(
            server, said({"access_token": "a"}), batch([good()]),
            secrets=OAUTH, options={"token_url": f"{server.url}/oauth/v3/token"},
        )  # fmt: skip
        assert server.asked[0]["path"] == "/oauth/v3/token"

    @pytest.mark.parametrize("secrets", [{}, {"client_id": "i", "client_secret": "s"}])
    def test_without_secrets_nothing_is_opened(self, secrets):
        with pytest.raises(ConfigurationError, match=r"destinations\.crm\.secrets: give access_token"):
            writer("https://api.example.com", secrets=secrets)

    def test_no_secret_is_shown(self):
        assert "very-secret" not in repr(connection("https://h", secrets={"access_token": "very-secret"}))


class TestTheCheck:
    def test_it_makes_one_cheap_call_that_finds_nobody(self, server):
        gone = bad("OBJECT_NOT_FOUND") | {"context": {"ids": ["afluente-check"]}}
        server.script = [batch([], [gone])]
        opened = writer(server.url)
        opened.check()
        assert [asked["path"] for asked in server.asked] == [READ]
        server.script = [said(gone, 404)]
        opened.check()
        opened.close()

    @pytest.mark.parametrize(
        ("answer", "error", "words"),
        [
            (said(refused("VALIDATION_ERROR", "no"), 400), TerminalError, "hasUniqueValue"),
            (said(refused("INVALID_AUTHENTICATION"), 401), TerminalError, "secrets"),
            (said(refused("MISSING_SCOPES"), 403), TerminalError, "right"),
            ((404, {}, b"<html>"), TerminalError, "404"),
            ((503, {}, b""), TransientError, "503"),
        ],
    )
    def test_it_raises_as_write_does(self, server, answer, error, words):
        server.script = [answer]
        with pytest.raises(error, match=words):
            writer(server.url).check()
