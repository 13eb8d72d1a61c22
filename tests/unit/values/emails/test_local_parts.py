from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.emails.local_parts import is_placeholder, is_role
from pipeline.values.vocabularies import vocabulary


@pytest.mark.parametrize(
    "local_part",
    ["info", "INFO", "office", "sales", "ventas", "contato", "vendas", "kontakt", "vertrieb", "contact", "accueil",
     "atencionalcliente", "atencion.cliente", "customer-service", "customer_service", "service.client", "info2",
     "ventas01", "info-mx", "sales.uk", "info+web", "recursos.humanos", "rh", "sac", "no-reply", "noreply",
     "postmaster",
     "compras", "einkauf", "comptabilite", "buchhaltung", "faturamento", "facturacion", "support", "soporte", "suporte",
     "webmaster", "hello", "hola", "team"],
)  # fmt: skip
def test_a_function_is_no_person(local_part):
    assert is_role(local_part)


@pytest.mark.parametrize(
    "local_part",
    ["ada", "ada.brandt", "info.ada", "infante", "salesio", "j.ventas.lopez", "contador", "mario", "it-ada", "ada-mx",
     "2", "", "+", "-", ".mx", "sales.team.leader", "officer", "hri"],
)  # fmt: skip
def test_a_person_is_no_function(local_part):
    assert not is_role(local_part)


@pytest.mark.parametrize(
    ("local_part", "domain"),
    [("test", "test.com"), ("teste", "teste.com.br"), ("prueba", "prueba.es"), ("asdf", "asdf.com"),
     ("asdf", "acme.mx"),
     ("noemail", "noemail.com"), ("noemail", "acme.mx"), ("na", "na.com"), ("no", "gmail.com"), ("no", "tiene.com"),
     ("x", "x.xx"), ("a", "b.com"), ("sincorreo", "gmail.com"), ("no-tiene", "hotmail.com"), ("null", "null.com"),
     ("123", "gmail.com"), ("anything", "noemail.com"), ("test", "gmial.com"), ("qwerty", "web.de"),
     ("aaa", "aaa.com")],
)  # fmt: skip
def test_what_was_typed_to_get_past_a_field_is_a_placeholder(local_part, domain):
    assert is_placeholder(local_part, domain)


@pytest.mark.parametrize(
    ("local_part", "domain"),
    [("na", "acme.mx"), ("no", "brandt.de"), ("x", "acme.mx"), ("test", "acme.mx"), ("ada", "x.com"),
     ("ada", "test.com"),
     ("ana", "aaa.com"), ("ada", "gmail.com"), ("nona", "gmail.com"), ("testa", "gmail.com"), ("info", "abc.com")],
)  # fmt: skip
def test_somebodys_initials_are_none(local_part, domain):
    assert not is_placeholder(local_part, domain)


def test_the_lists_are_written_as_they_are_compared():
    signs = "._-+0123456789 "
    roles = [role for roles in vocabulary("email_roles").values() for role in roles]
    assert [role for role in roles if role != role.lower() or role.strip(signs) != role or set(role) & set(signs)] == []
    for words in vocabulary("email_placeholders").values():
        assert [word for word in words if word != word.lower().strip()] == []


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_judged(local_part, domain):
    assert is_role(local_part) in (True, False)
    assert is_placeholder(local_part, domain) in (True, False)
