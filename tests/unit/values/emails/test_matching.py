from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.emails.emails import normalize_email
from pipeline.values.emails.matching import match_form

FORMS = [
    ("ada@example.org", "ada@example.org"),
    ("Ada@Example.org", "ada@example.org"),
    ("ada+web@example.org", "ada@example.org"),
    ("ada+web+2026@example.org", "ada@example.org"),
    ("ada+@example.org", "ada@example.org"),
    ("+ada@example.org", "+ada@example.org"),  # no name before the tag
    ("ada.+web@example.org", "ada@example.org"),
    (".+web@example.org", ".+web@example.org"),
    ("a.d.a@example.org", "a.d.a@example.org"),  # two people may differ by a dot
    ("a.d.a@gmail.com", "ada@gmail.com"),
    ("A.Da+Web@GMail.com", "ada@gmail.com"),
    ("ada@googlemail.com", "ada@gmail.com"),
    ("a.da+x@googlemail.com", "ada@gmail.com"),
    ("ada.brandt@outlook.com", "ada.brandt@outlook.com"),
    ("ada+x@outlook.com", "ada@outlook.com"),
    ("ada@hotmail.com", "ada@hotmail.com"),  # not the mailbox of ada@outlook.com
    ("ada@live.com", "ada@live.com"),
    ("ada@me.com", "ada@icloud.com"),
    ("ada@mac.com", "ada@icloud.com"),
    ("ada+x@icloud.com", "ada@icloud.com"),
    ("ada@protonmail.com", "ada@proton.me"),
    ("ada+x@pm.me", "ada@proton.me"),
    ("ada+x@fastmail.com", "ada@fastmail.com"),
    ("ada-shop@yahoo.com", "ada-shop@yahoo.com"),  # a name of its own, not the mailbox's
    ("ada-brandt@example.org", "ada-brandt@example.org"),
    ('"a+b"@example.org', '"a+b"@example.org'),
    ("josé+x@example.org", "josé@example.org"),
    ("ada", "ada"),
    ("@example.org", "@example.org"),
    ("", ""),
]


@pytest.mark.parametrize(("email", "form"), FORMS)
def test_two_spellings_of_one_mailbox_have_one_form(email, form):
    assert match_form(email) == form


@pytest.mark.parametrize(("email", "form"), FORMS)
def test_a_form_of_a_form_is_itself(email, form):
    assert match_form(form) == form


@given(
    st.text(max_size=80) | st.emails() | st.from_regex(r'"?[a-z.+]{1,9}"?@(gmail|googlemail|me|x)\.com', fullmatch=True)
)
def test_forms_stay_and_are_addresses_themselves(text):
    assert match_form(match_form(text)) == match_form(text)
    address = normalize_email(text).value
    if address is not None:
        form = match_form(address)
        assert normalize_email(form).value == form
