"""Tables of one source by one mapping: aliases where that is certain, columns of their own, or undecided."""

from __future__ import annotations

import pytest

from pipeline.authoring.column_proposals import propose
from pipeline.authoring.proposal_merging import merge_proposals


def merged(*headers: list[str]) -> dict[str, tuple[str | None, str | None]]:
    """Title -> (field, the column it is an alias of)."""
    proposal = merge_proposals([propose(titles, []) for titles in headers])
    return {one.column: (one.field, one.alias_of) for one in proposal.columns}


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([["Email"]], {"Email": ("email", None)}),
        ([["Email"], ["Email"]], {"Email": ("email", None)}),
        ([["Email"], ["E-mail"]], {"Email": ("email", None), "E-mail": ("email", "Email")}),
        (
            [["Email"], ["Correo"], ["Courriel"]],
            {"Email": ("email", None), "Correo": ("email", "Email"), "Courriel": ("email", "Email")},
        ),
        ([["Email"], ["Correo", "Firma"]], {"Email": ("email", None), "Correo": ("email", "Email"),
                                            "Firma": ("company", None)}),
        # two columns of one table are never one column of the mapping
        ([["Mobile"], ["Phone", "Mobile"]], {"Mobile": ("phone", None), "Phone": ("other_phones", None)}),
        ([["Phone"], ["Phone", "Mobile"]], {"Phone": ("phone", None), "Mobile": ("other_phones", None)}),
        (
            [["Phone"], ["Telefon"], ["Phone", "Telefon"]],
            {"Phone": ("phone", None), "Telefon": ("other_phones", None)},
        ),
        ([["City"], ["Town"], ["City", "Town"]], {"City": ("city", None), "Town": (None, None)}),
        # one title of two meanings
        (
            [["Name", "Email"], ["Vorname", "Name", "Email"]],
            {"Name": (None, None), "Email": ("email", None), "Vorname": ("first_name", None)},
        ),
        ([["Email", "Color"], ["Email", "Colour"]], {"Email": ("email", None), "Color": (None, None),
                                                    "Colour": (None, None)}),
    ],
)  # fmt: skip
def test_titles_of_several_tables_are_brought_together_only_where_that_is_certain(headers, found):
    assert merged(*headers) == found


def test_a_title_undecided_in_one_table_is_what_another_makes_of_it():
    companies = [["Works GmbH"], ["Casa S.L."], ["Example Inc."]]
    proposal = merge_proposals([propose(["Account"], []), propose(["Account"], companies)])
    assert proposal.columns[0].field == propose(["Account"], companies).columns[0].field
