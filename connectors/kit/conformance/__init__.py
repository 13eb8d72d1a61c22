"""The checks every source must pass: `afluente source check` and the tests run the same ones (tier bronze).

A check takes a Case and returns the problems it found, as sentences with the remedy. No check without a
counter-example: tests/integration/connectors/kit/conformance/test_checks.py shows each one failing.
"""

from connectors.kit.conformance.cases import Case, Check, Rule, Trial
from connectors.kit.conformance.declaration_checks import (
    declaration_is_complete,
    one_slug_everywhere,
    samples_exist,
    secrets_are_named_after_their_source,
)
from connectors.kit.conformance.fetch_checks import ids_are_read_by_their_source_alone
from connectors.kit.conformance.intake_checks import poll_reads_every_page_once, signature_is_checked
from connectors.kit.conformance.mapping_checks import (
    every_field_is_decided,
    every_mapped_path_occurs,
    hostile_payload_is_survived,
    mapping_is_sound,
    missing_required_field_is_parked,
    typical_lead_is_as_expected,
)
from connectors.kit.conformance.reconcile_checks import lists_name_what_was_posted, what_has_no_id_is_not_named
from connectors.kit.conformance.sample_checks import (
    event_ids_are_present_and_unique,
    no_sample_value_is_logged,
    sample_people_are_invented,
    second_delivery_is_recognized,
    times_become_aware_utc,
)
from connectors.kit.conformance.subscription_checks import subscription_is_understood

__all__ = ["CHECKS", "Case", "Check", "Rule", "Trial", "run_checks"]

CHECKS: tuple[Check, ...] = (
    one_slug_everywhere,
    declaration_is_complete,
    secrets_are_named_after_their_source,
    samples_exist,
    mapping_is_sound,
    every_field_is_decided,
    every_mapped_path_occurs,
    event_ids_are_present_and_unique,
    times_become_aware_utc,
    typical_lead_is_as_expected,
    missing_required_field_is_parked,
    hostile_payload_is_survived,
    second_delivery_is_recognized,
    no_sample_value_is_logged,
    sample_people_are_invented,
    signature_is_checked,
    poll_reads_every_page_once,
    ids_are_read_by_their_source_alone,
    lists_name_what_was_posted,
    what_has_no_id_is_not_named,
    subscription_is_understood,
)


def run_checks(case: Case) -> list[str]:
    """Every problem of a source. With a mapping that cannot be read only the checks that need none are run."""
    if case.mapping_problem is None:
        return [problem for check in CHECKS for problem in check(case)]
    first = (one_slug_everywhere, declaration_is_complete, secrets_are_named_after_their_source, mapping_is_sound)
    return [problem for check in first for problem in check(case)]
