"""The shipped sources of ads, meetings and shops: what becomes of single values, from the record to the lead."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from connectors.kit import sources
from connectors.kit.sources.records import split_records
from connectors.kit.sources.samples import samples_of
from pipeline.records import Lead
from pipeline.stages.mapping.source_mapping import load_source_mapping
from tests.support.mapped_records import map_record


def typical(source: str) -> dict[str, Any]:
    return json.loads(next(sample.body for sample in samples_of(source) if sample.name == "typical"))


def lead_of(source: str, body: dict[str, Any]) -> Lead:
    (record,) = split_records(sources()[source], json.dumps(body).encode(), "application/json")
    return map_record(load_source_mapping(source), deepcopy(record))


@pytest.mark.parametrize("state", ["not_subscribed", "pending", "invalid", "redacted", None])
def test_a_state_of_consent_that_is_no_answer_is_left_out_without_a_flag(state):
    order = typical("shopify")
    order["customer"]["email_marketing_consent"]["state"] = state
    lead = lead_of("shopify", order)
    assert (lead.consents, lead.flags.get("consents")) == ([], None)


def test_an_id_of_zero_names_no_ad_group():
    body = typical("google_ads_lead_form") | {"adgroup_id": 0, "creative_id": 0, "asset_group_id": 6500000001}
    fields = lead_of("google_ads_lead_form", body).fields
    assert fields["ad_group_id"] == "6500000001"
    assert "ad_id" not in fields


def test_the_key_of_a_lead_form_is_kept_with_no_lead():
    lead = lead_of("google_ads_lead_form", typical("google_ads_lead_form"))
    assert "the key of your lead form" not in repr((lead.fields, lead.custom, lead.raw))


def test_answers_that_cal_com_gives_without_labels_are_read_as_well():
    body = typical("cal_com")
    body["payload"]["responses"] = {
        "name": "Ada Sample",
        "email": {"value": "ada@example.org"},
        "company": "Sample Ltd",
    }
    fields = lead_of("cal_com", body).fields
    assert (fields["full_name"], fields["email"], fields["company"]) == ("Ada Sample", "ada@example.org", "Sample Ltd")


def test_a_guests_order_names_no_account():
    assert "external_id" not in lead_of("woocommerce", typical("woocommerce") | {"customer_id": 0}).fields
