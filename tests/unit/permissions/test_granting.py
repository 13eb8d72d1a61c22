"""What one may give to another is bounded by what one has: brand by brand, source by source."""

from __future__ import annotations

import pytest

from pipeline.errors import ForbiddenError
from pipeline.permissions.granting import require_grant
from pipeline.permissions.principals import of_permissions, of_roles
from pipeline.records.actors import SYSTEM

OF_CASA = of_permissions(SYSTEM, ["reports.read", "keys.manage"], brands=["casa"])
OF_SHOP = of_permissions(SYSTEM, ["reports.read", "keys.manage"], sources=["shop", "fair"])


@pytest.mark.parametrize("brands", [(), ("ocio",), ("casa", "ocio")])
def test_what_one_may_in_one_brand_is_given_for_that_brand_alone(brands):
    require_grant(OF_CASA, ["reports.read"], brands=["casa"])
    with pytest.raises(ForbiddenError, match="reports:read in"):
        require_grant(OF_CASA, ["reports.read"], brands=brands)


@pytest.mark.parametrize("sources", [(), ("site",), ("shop", "site")])
def test_who_serves_some_sources_gives_for_some_of_them(sources):
    require_grant(OF_SHOP, ["reports.read"], sources=["shop"])
    with pytest.raises(ForbiddenError, match="fair alone"):
        require_grant(OF_SHOP, ["reports.read"], sources=sources)


def test_who_manages_the_keys_of_a_brand_lets_leads_into_no_other():
    require_grant(OF_CASA, ["leads.post"], brands=["casa"])
    with pytest.raises(ForbiddenError):
        require_grant(OF_CASA, ["leads.post"], brands=["ocio"])


def test_a_role_in_each_of_two_brands_is_not_the_role_in_all():
    both = of_roles(SYSTEM, {"casa": ["admin"], "ocio": ["admin"]})
    require_grant(both, ["keys.manage"], brands=["casa", "ocio"])
    with pytest.raises(ForbiddenError, match="in all brands"):
        require_grant(both, ["keys.manage"])
