"""The checks every kind of CRM must pass, over a real socket: `afluente destination check` and the tests run the same.

A check takes a Workbench and returns the problems it found, as sentences. One that a kind has no use for raises
`NotApplicable` with the reason. No check without a counter-example: tests/integration/connectors/kit/conformance/
test_destination_checks.py shows each one failing.
"""

from connectors.kit.conformance.destinations.ability_checks import (
    abilities_fail_as_writing_does,
    adoption_takes_over_and_makes_nobody,
    delete_takes_what_was_named_and_nothing_else,
    description_knows_every_field_sent,
    find_gives_those_with_the_address,
    list_gives_everybody_once,
    read_gives_back_what_was_written,
    setup_makes_what_is_missing_once,
)
from connectors.kit.conformance.destinations.answer_checks import (
    answer_without_ids_is_not_taken_for_success,
    each_status_becomes_its_error,
    lost_answer_makes_no_second_record,
    retry_after_is_kept,
    short_answer_leaves_nobody_out,
    shuffled_answer_keeps_results_apart,
    silence_is_told_apart_from_refusal,
    unreadable_answer_is_not_taken_for_success,
)
from connectors.kit.conformance.destinations.batch_checks import (
    empty_batch_makes_no_call,
    full_batch_is_written,
    order_of_results_is_that_of_records,
    refusal_holds_no_value,
    refused_record_stops_no_other,
    too_many_records_are_a_mistake_of_the_caller,
)
from connectors.kit.conformance.destinations.call_checks import (
    calls_stay_within_the_grant,
    check_tells_whether_we_are_let_in,
    missing_secrets_are_a_sentence,
    refused_token_is_renewed_once,
    usage_is_read_from_every_answer,
)
from connectors.kit.conformance.destinations.change_checks import changes_are_told_with_their_moment
from connectors.kit.conformance.destinations.consent_checks import withdrawal_is_never_behind
from connectors.kit.conformance.destinations.record_checks import (
    created_then_updated_by_one_key,
    field_not_sent_is_left_alone,
    known_id_is_updated_and_not_made_anew,
    links_are_kept,
    links_are_undone,
    none_clears_a_field,
    same_batch_twice_changes_nothing,
    update_only_makes_no_record,
)
from connectors.kit.conformance.destinations.workbenches import (
    Consents,
    Linked,
    NotApplicable,
    Outcome,
    SeenRecord,
    Workbench,
    WorkbenchCheck,
)

__all__ = [
    "CHECKS",
    "Consents",
    "Linked",
    "NotApplicable",
    "Outcome",
    "SeenRecord",
    "Workbench",
    "WorkbenchCheck",
    "run_check",
    "run_checks",
]

CHECKS: tuple[WorkbenchCheck, ...] = (
    missing_secrets_are_a_sentence,
    check_tells_whether_we_are_let_in,
    created_then_updated_by_one_key,
    same_batch_twice_changes_nothing,
    field_not_sent_is_left_alone,
    none_clears_a_field,
    known_id_is_updated_and_not_made_anew,
    update_only_makes_no_record,
    links_are_kept,
    links_are_undone,
    withdrawal_is_never_behind,
    order_of_results_is_that_of_records,
    full_batch_is_written,
    empty_batch_makes_no_call,
    too_many_records_are_a_mistake_of_the_caller,
    refused_record_stops_no_other,
    refusal_holds_no_value,
    shuffled_answer_keeps_results_apart,
    short_answer_leaves_nobody_out,
    answer_without_ids_is_not_taken_for_success,
    unreadable_answer_is_not_taken_for_success,
    lost_answer_makes_no_second_record,
    silence_is_told_apart_from_refusal,
    each_status_becomes_its_error,
    retry_after_is_kept,
    refused_token_is_renewed_once,
    usage_is_read_from_every_answer,
    calls_stay_within_the_grant,
    read_gives_back_what_was_written,
    delete_takes_what_was_named_and_nothing_else,
    find_gives_those_with_the_address,
    list_gives_everybody_once,
    adoption_takes_over_and_makes_nobody,
    description_knows_every_field_sent,
    setup_makes_what_is_missing_once,
    changes_are_told_with_their_moment,
    abilities_fail_as_writing_does,
)


def run_check(check: WorkbenchCheck, bench: Workbench) -> Outcome:
    """One check, on a workbench without faults. An exception that a writer lets through is a problem like others."""
    bench.be_well()
    try:
        problems = tuple(check(bench))
    except NotApplicable as reason:
        return Outcome(check.__name__, skipped=str(reason))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        problems = (f"{type(error).__name__} where none is due: {error}",)
    finally:
        bench.be_well()
    return Outcome(check.__name__, problems)


def run_checks(bench: Workbench) -> list[Outcome]:
    """The outcome of every check, in the order of `CHECKS`."""
    return [run_check(check, bench) for check in CHECKS]
