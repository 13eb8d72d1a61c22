"""The codes written out are the ones that the libraries know."""

from __future__ import annotations

import phonenumbers
import pycountry

from pipeline.values.places.country_codes import COUNTRY_CODES


def test_the_codes_are_those_of_iso_3166():
    assert {country.alpha_2 for country in pycountry.countries} == COUNTRY_CODES


def test_every_region_with_telephones_is_a_country_but_for_those_that_the_standard_leaves_out():
    without_code = phonenumbers.SUPPORTED_REGIONS - COUNTRY_CODES
    assert without_code == {"AC", "TA", "XK"}  # reserved, or for users to assign
