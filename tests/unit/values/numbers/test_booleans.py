from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import Consent
from pipeline.stages.mapping.consents import compile_consent_rule
from pipeline.stages.mapping.language import ConsentRule, FieldRule
from pipeline.values.numbers.booleans import normalize_boolean

YES = (
    """
yes|Yes|YES|y|Y|true|True|TRUE|t|1|on|x|X|checked|accepted|granted|agree|I agree|opt-in|opt in|Opted in
subscribed|enabled|yes.|Yes!
"yes"|sí|Sí|SI|si|s|S|verdadero|acepto|Sí, acepto|de acuerdo|sim|SIM|verdadeiro|aceito|concordo|ja|JA|j|wahr
zugestimmt
einverstanden|oui|OUI|vrai|accepté|J'accepte|J’accepte|d'accord|coché|✓|✔|☑|✅|[x]|[X]|(x)|1.0|ＹＥＳ
yes\u00a0|ye\u200bs
""".strip("\n")
    .replace("\n", "|")
    .split("|")
)
NO = (
    """
no|No|NO|n|N|false|False|FALSE|f|0|off|unchecked|declined|denied|refused|opt-out|opt out|unsubscribed
disabled|not accepted
I do not agree|No, thanks|falso|rechazado|no acepto|No, gracias|não|NÃO|nao|Não aceito|não, obrigado|nein
NEIN|falsch|abgelehnt
nicht zugestimmt|Nein, danke|non|NON|faux|refusé|je refuse|Non, merci|✗|✘|☐|❌|[ ]|( )|0.0|no.
""".strip()
    .replace("\n", "|")
    .split("|")
)
NO_ANSWER = (
    """
maybe|perhaps|quizás|talvez|vielleicht|peut-être|ok|okay|sure|2|-1|+1|10|01|1.5|yes?|y/n|yes/no|sí/no|ja/nein
yes or no|yes no
!yes|¬yes|≠ yes|not yes|un-yes|-yes|yes but no|yesterday|yes yes yes|o|O|ii|xx|x x|*|--|truefalse|null-ish
si no|on off
I agree to receive marketing e-mails|Yes, please send me the newsletter|Ja, ich möchte den Newsletter erhalten
Sí, quiero recibir información comercial|Sim, aceito receber comunicações|Oui, j'accepte de recevoir la newsletter
I have read the privacy policy|not sure|keine Ahnung|<b>yes</b>|yes&nbsp;|yes;no|yes,no|1,2|1;|tr ue|y e s
[y]|{yes}|=yes
""".strip()
    .replace("\n", "|")
    .split("|")
)


@pytest.mark.parametrize("text", YES)
def test_a_yes_is_true(text):
    assert normalize_boolean(text) == (True, (), None, ())


@pytest.mark.parametrize("text", NO)
def test_a_no_is_false(text):
    assert normalize_boolean(text) == (False, (), None, ())


@pytest.mark.parametrize("text", NO_ANSWER)
def test_what_is_neither_is_no_answer(text):
    found = normalize_boolean(text)
    assert found.value is None
    assert found.flags in (("not_a_boolean",), ("blank",))
    assert found.raw == text


@pytest.mark.parametrize("text", ["-", "n/a", "NULL", "none", " ", "\u200b", "unknown"])
def test_a_blank_is_no_answer(text):
    assert normalize_boolean(text) == (None, ("blank",), text, ())


@pytest.mark.parametrize("text", [*NO_ANSWER, "-", "n/a", "NULL"])
def test_no_consent_comes_from_an_answer_that_cannot_be_read(text):
    rule = ConsentRule("marketing", "email", FieldRule(name="consent", paths=("opt_in",), conversion="boolean"))
    consents: list[Consent] = []
    flags: dict[str, list[str]] = {}
    compile_consent_rule(rule)({"opt_in": text}, consents, flags, {})
    assert consents == []
    assert flags["consents"]


def test_there_are_tables_worth_their_name():
    assert len(YES) + len(NO) >= 90
    assert len(NO_ANSWER) >= 50


@given(st.text(max_size=60))
def test_any_text_is_an_answer_or_a_flag(text):
    found = normalize_boolean(text)
    assert found.value in (True, False) or found.flags or not text


@given(st.sampled_from(YES), st.text(alphabet="!-¬~?/\\;=<>[]{}#%0123456789abc", min_size=1, max_size=3))
def test_a_yes_with_anything_before_it_is_no_yes(text, before):
    assert normalize_boolean(f"{before}{text}").value is not True or before + text in YES


@pytest.mark.parametrize("text", ["yes " * 25_000, "x" * 100_000, "\u200b" * 100_000 + "yes", "\ud800" * 100_000])
def test_a_hundred_kilobytes_are_no_answer(text):
    assert normalize_boolean(text).value is None
