"""The canonical lead's vocabulary: its field names, what kind of value each holds, and who reads it.

`docs/mapping.md` lists the same names for people who write mappings; a test keeps the two together.
"""

from __future__ import annotations

# Field -> kind of value. The kind picks the function in `normalization` that gives the field its one spelling.
PERSON_FIELDS: dict[str, str] = {
    "region": "country",
    "first_name": "given_name",
    "last_name": "family_name",
    "full_name": "full_name",
    "email": "email",
    "other_emails": "emails",
    "phone": "phone",
    "other_phones": "phones",
    "company": "company",
    "website": "website",
    "job_title": "line",
    "industry": "industry",
    "employee_count": "count",
    "employee_range": "range",
    "street": "line",
    "city": "city",
    "state": "line",
    "postal_code": "postal_code",
    "country": "country",
    "language": "language",
    "linkedin_url": "linkedin_url",
    "whatsapp_id": "whatsapp",
    "message": "paragraphs",
    "product_interest": "line",
}
# `external_id` is the source's id of the person, or of its record; `submission_id` that of one contact: a filled form.
EVENT_FIELDS: dict[str, str] = {"external_id": "identifier", "submission_id": "identifier", "occurred_at": "time"}
LEAD_FIELDS: dict[str, str] = {**EVENT_FIELDS, **PERSON_FIELDS}

CLICK_IDS = ("gclid", "gbraid", "wbraid", "dclid", "fbclid", "msclkid", "li_fat_id", "ttclid", "twclid", "ctwa_clid")
UTM_FIELDS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "utm_id")
EXTRA_UTM_FIELDS = ("utm_source_platform", "utm_creative_format", "utm_marketing_tactic")  # GA4's newer ones
# `platform` names where a native lead form lives, `is_organic` that no ad led to it: docs/attribution.md.
TOUCH_DETAILS = (
    "platform",
    "is_organic",
    *EXTRA_UTM_FIELDS,
    "campaign_id",
    "campaign_name",
    "ad_group_id",
    "ad_group_name",
    "ad_id",
    "ad_name",
    "form_id",
    "form_name",
    "event_name",
    "partner",
)
# `reported_source` is what a person or a spreadsheet says of where the lead came from: the weakest evidence there is.
TOUCH_FIELDS: dict[str, str] = {
    "page_url": "url",
    "referrer": "url",
    **dict.fromkeys((*UTM_FIELDS, *CLICK_IDS, *TOUCH_DETAILS, "reported_source"), "line"),
}

CANONICAL_FIELDS: dict[str, str] = {**LEAD_FIELDS, **TOUCH_FIELDS}
CONSENTS = "consents"
# What no list of ours names: a company's own fields, `custom.shoe_size`, and answers, `consent.marketing.email`.
CUSTOM, CONSENT = "custom.", "consent."
CUSTOM_NAME = "[a-z][a-z0-9_]{0,62}"  # behind `custom.`; as a pattern of JSON Schema too

# Any one of these, once normalized, is enough to tell a person apart.
IDENTIFYING_FIELDS = (
    "email",
    "other_emails",
    "phone",
    "other_phones",
    "whatsapp_id",
    "linkedin_url",
    "external_id",
)

# What a mapping converts a value to, unless it says otherwise with `as`.
CONVERSION_OF_KIND = {
    "email": "email",
    "emails": "list",
    "phone": "phone",
    "phones": "list",
    "whatsapp": "phone",
    "count": "count",
}


_ID_FIELDS = ("external_id", "submission_id", "campaign_id", "ad_group_id", "ad_id", "form_id")


def default_conversion(field: str) -> str:
    """The `as` a field has when the mapping names none."""
    if field in _ID_FIELDS:
        return "id"
    return CONVERSION_OF_KIND.get(CANONICAL_FIELDS[field], "text")


# Kept by us, not by the CRM: original_* never changes once it is the earliest, whatever order touches arrive in.
# `rerouted_at` is when a lead of higher intent than was known of the person asked for them to be routed again.
ATTRIBUTED_ENDS = ("original", "latest")  # a person's first touch and the last
ATTRIBUTED_FACTS = ("source", "channel", "campaign", "at")  # what is kept of each
ATTRIBUTION_NAMES = (
    *(f"{end}_{fact}" for end in ATTRIBUTED_ENDS for fact in ATTRIBUTED_FACTS),
    "touches",
    "owner",
    "rerouted_at",
)
# What else is kept of a person's first touch and the last, beside click ids: `original_form_name`, `latest_utm_term`.
TOUCH_FACTS = ("medium", *UTM_FIELDS, "referrer_host", "landing_path", *TOUCH_DETAILS)
CONSENT_FACTS = ("at", "source", "policy_version")  # of the answer that counts: `consent.marketing.email.at`
# Made from golden values where they are shown or sent, never stored: stages/derived.py.
DERIVED_FIELDS = ("company_domain", "job_level", "job_function", "state_code", "phone_type", "email_suggestion")
# What a destination mapping may read: golden values, attribution, and values made from them. Beside these facts of
# touches, answers about consent and custom fields: stages/destination_mapping/names.py.
DESTINATION_SOURCES = (
    *PERSON_FIELDS,
    "external_id",
    *ATTRIBUTION_NAMES,
    *DERIVED_FIELDS,
    "person_id",
    "email_local_part",
    "merged_into",
)

# What the mapping of another object than a person's record may read. Of a company only what is its own: the streets and
# numbers that people give are theirs.
COMPANY_SOURCES = (
    "company",
    "website",
    "company_domain",
    "industry",
    "employee_count",
    "employee_range",
    "city",
    "state",
    "state_code",
    "country",
    "company_id",
)
# Beside click ids. `summary` says in one line what the touch was.
TOUCH_SOURCES = ("source", "channel", "campaign", "occurred_at", *TOUCH_FACTS, "summary", "event_id", "person_id")
# `question` is both, `marketing.email`; `state` granted, denied, withdrawn or unknown; `contact_point` the address or
# number that the channel goes to.
CONSENT_SOURCES = (
    "purpose",
    "channel",
    "question",
    "state",
    *CONSENT_FACTS,
    "contact_point",
    "email",
    "phone",
    "person_id",
    "merged_into",
    "consent_id",
)
SOURCES_OF = {"company": COMPANY_SOURCES, "touch": TOUCH_SOURCES, "consent": CONSENT_SOURCES}
