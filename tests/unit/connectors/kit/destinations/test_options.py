"""Options of a kind of CRM: what is wrong is said with path, value and what is allowed, before any call."""

from __future__ import annotations

import pytest

from connectors.kit import ConfigurationError, Option
from connectors.kit.destinations.options import read_options

DECLARED = (
    Option("object", default="Lead", allowed=("Lead", "Contact")),
    Option("size", "integer", at_least=1, at_most=200),
    Option("share", "number"),
    Option("route", ("boolean", "text")),
    Option("token_url", "url"),
)


def test_what_is_not_given_has_its_default_if_it_has_one():
    assert read_options("crm", DECLARED, {"size": 5}) == {"object": "Lead", "size": 5}


@pytest.mark.parametrize("value", [True, "01Q000000000001"])
def test_an_option_may_be_of_several_types(value):
    assert read_options("crm", DECLARED, {"route": value})["route"] == value


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"object": "Led"}, "destinations.crm.options.object is 'Led'; allowed: Lead, Contact"),
        ({"size": 0}, "destinations.crm.options.size is 0; allowed: at least 1"),
        ({"size": 201}, "destinations.crm.options.size is 201; allowed: at most 200"),
        ({"size": "5"}, "destinations.crm.options.size is '5'; allowed: a whole number"),
        ({"size": True}, "destinations.crm.options.size is True; allowed: a whole number"),
        ({"share": True}, "destinations.crm.options.share is True; allowed: a number"),
        ({"route": 5}, "destinations.crm.options.route is 5; allowed: true or false or a text"),
        ({"route": " "}, "destinations.crm.options.route is ' '; allowed: true or false or a text"),
        ({"token_url": "login"}, "destinations.crm.options.token_url is 'login'; allowed: an address that begins with"),
        ({"token_url": "http://["}, "destinations.crm.options.token_url is 'http://['; allowed: an address"),
        ({"sise": 5}, "destinations.crm.options: sise is not known; allowed: object, route, share, size, token_url"),
    ],
)
def test_what_is_wrong_is_said_with_path_value_and_what_is_allowed(given, said):
    with pytest.raises(ConfigurationError) as raised:
        read_options("crm", DECLARED, given)
    assert str(raised.value).startswith(said)
