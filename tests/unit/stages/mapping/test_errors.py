from __future__ import annotations

import pytest

from pipeline.errors import ConfigurationError
from pipeline.stages.destination_mapping.mapping import read_destination_mapping
from pipeline.stages.mapping.source_mapping import read_source_mapping

HEAD = "source: acme\nversion: 1\n"
LEAD = HEAD + "lead: {email: mail}\n"

# the file, and what the message must name: the place, the value, what is allowed
BROKEN_SOURCES = [
    ("source: [", ["line "]),
    ("", ["source"]),
    ("- a\n", ["is not an object"]),
    ("version: 1\nlead: {email: mail}\n", ["source", "None"]),
    ("source: other\nversion: 1\nlead: {email: mail}\n", ["source", "'other'", "'acme'"]),
    ("source: acme\nlead: {email: mail}\n", ["version", "None", "1, 2, 3"]),
    ("source: acme\nversion: '1'\nlead: {email: mail}\n", ["version", "'1'"]),
    ("source: acme\nversion: true\nlead: {email: mail}\n", ["version", "True"]),
    (HEAD, ["lead", "canonical: true"]),
    (HEAD + "leads: {email: mail}\n", ["leads", "did you mean lead?", "ignored"]),
    (HEAD + "lead: [email]\n", ["lead", "is not an object"]),
    (HEAD + "lead: {emial: mail}\n", ["lead.emial", "'emial'", "did you mean email?", "whatsapp_id"]),
    (HEAD + "lead: {utm_source: x}\n", ["lead.utm_source", "allowed"]),
    (HEAD + "touch: {email: x}\n", ["touch.email", "utm_campaign"]),
    (HEAD + "lead: {email: {form: mail}}\n", ["lead.email.form", "did you mean from?"]),
    (HEAD + "lead: {email: {}}\n", ["lead.email", "neither `from` nor `constant`"]),
    (HEAD + "lead: {email: {from: a, constant: b}}\n", ["lead.email", "both `from` and `constant`"]),
    (HEAD + "lead: {email: {from: 7}}\n", ["lead.email.from", "7", "is not a text"]),
    (HEAD + "lead: {email: {from: [a, '']}}\n", ["lead.email.from[1]"]),
    (HEAD + "lead: {email: {from: 'a..b'}}\n", ["lead.email.from", "'a..b'", "key.key"]),
    (HEAD + "lead: {email: {from: 'a[b'}}\n", ["lead.email.from", "list[key=value]"]),
    (HEAD + "lead: {email: {from: a, as: mail}}\n", ["lead.email.as", "'mail'", "boolean"]),
    (HEAD + "lead: {email: {from: a, required: yes please}}\n", ["lead.email.required", "true, false"]),
    (HEAD + "lead: {email: {from: a, formats: ['%d']}}\n", ["lead.email.formats", "as: date"]),
    (HEAD + "lead: {occurred_at: {from: a, as: date, zone: Mars}}\n", ["lead.occurred_at.zone", "'Mars'"]),
    (HEAD + "lead: {email: {from: a, region_from: b}}\n", ["lead.email.region_from", "phone"]),
    (HEAD + "lead: {email: {from: a, values: [b]}}\n", ["lead.email.values"]),
    (LEAD + "region: Spain\n", ["region", "'Spain'", "alpha-2"]),
    (LEAD + "flatten: [data]\n", ["flatten", "canonical: true"]),
    (LEAD + "aliases: {name: full_name}\n", ["aliases", "canonical: true"]),
    (HEAD + "canonical: true\naliases: {name: fullname}\n", ["aliases.name", "did you mean full_name?"]),
    (HEAD + "canonical: maybe\n", ["canonical", "true, false"]),
    (LEAD + "consent: {a: {from: x, chanel: y}}\n", ["consent.a.chanel", "did you mean channel?"]),
    (LEAD + "consent: {a: {purpose: x}}\n", ["consent.a", "from"]),
    (LEAD + "suppress: {silly: []}\n", ["suppress.silly", "spam"]),
    (LEAD + "suppress: {spam: {from: x}}\n", ["suppress.spam", "list"]),
    (LEAD + "suppress: {spam: [{when: filled}]}\n", ["suppress.spam[0]", "from"]),
    (LEAD + "suppress: {spam: [{from: x, when: never}]}\n", ["suppress.spam[0].when", "filled, true"]),
    (LEAD + "suppress: {spam: [{from: x, below: soon}]}\n", ["suppress.spam[0].below", "'soon'"]),
    (LEAD + "ignored: {a: b}\n", ["ignored"]),
    (LEAD + "kept: ['a.']\n", ["kept", "'a.'"]),
    (HEAD + "lead: {email: {from: a, vocabulary: industries, values: {a: b}}}\n", ["lead.email", "both `values`"]),
    (HEAD + "lead: {email: {from: a, vocabulary: industry}}\n", ["lead.email.vocabulary", "did you mean industries?"]),
    (HEAD + "lead: {email: {from: a, vocabulary: ../x}}\n", ["lead.email.vocabulary", "'../x'", "industries"]),
    (HEAD + "lead: {email: {from: a, vocabulary: search_engines}}\n", ["lead.email.vocabulary", "word: [spelling"]),
    (HEAD + "lead: {email: {from: a, vocabulary: 7}}\n", ["lead.email.vocabulary", "7"]),
    (HEAD + "lead: {email: {from: a, order: dmy}}\n", ["lead.email.order", "`as: date`", "`as: email`"]),
    (
        HEAD + "lead: {occurred_at: {from: a, as: date, order: dym}}\n",
        ["lead.occurred_at.order", "'dym'", "dmy, mdy, ymd"],
    ),
    (HEAD + "lead: {occurred_at: {from: a, as: date, formats: [3]}}\n", ["lead.occurred_at.formats[0]", "3"]),
    (
        HEAD + "lead: {employee_count: {from: a, as: number, decimal: ;}}\n",
        ["lead.employee_count.decimal", "';'", "., ,"],
    ),
    (HEAD + "lead: {email: {from: a, decimal: ','}}\n", ["lead.email.decimal", "`as: number`"]),
    (HEAD + "lead: {email: {from: a, separator: '|'}}\n", ["lead.email.separator", "`as: list`"]),
    (HEAD + "lead: {other_emails: {from: a, separator: ''}}\n", ["lead.other_emails.separator", "''"]),
    (HEAD + "lead: {other_emails: {from: a, separator: 3}}\n", ["lead.other_emails.separator", "3"]),
    (LEAD + "lists: {at: a}\n", ["lists", "is not a list"]),
    (LEAD + "lists: [a]\n", ["lists[0]", "'a'", "object"]),
    (LEAD + "lists: [{at: a, name: n}]\n", ["lists[0]", "says no `values`", "field_data"]),
    (LEAD + "lists: [{name: n, values: v}]\n", ["lists[0]", "says no `at`"]),
    (LEAD + "lists: [{at: a, name: n, values: v, value: w}]\n", ["lists[0].value", "did you mean values?"]),
    (LEAD + "lists: [{at: 'a[0].b', name: n, values: v}]\n", ["lists[0].at", "'a[0].b'", "key.key"]),
    (LEAD + "lists: [{at: [a, b], name: n, values: v}]\n", ["lists[0].at"]),
    (LEAD + "lists: [{at: a, name: 'n..', values: v}]\n", ["lists[0].name", "'n..'"]),
    (
        HEAD + "lead: {email: 'mail[name=x].v'}\nlists: [{at: mail, name: name, values: v}]\n",
        ["lists", "mail.NAME", "mail[name=x].v"],
    ),
    (LEAD + "headers: [mail]\n", ["headers", "is not an object"]),
    (LEAD + "headers: {mail: [{a: b}]}\n", ["headers.mail[0]", "is not a text"]),
    (LEAD + "headers: {mail: ['***']}\n", ["headers.mail", "'***'", "neither letters nor digits"]),
    (LEAD + "headers: {email: [E-mail]}\n", ["headers.email", "no rule reads it", "did you mean mail?"]),
    (
        HEAD + "lead: {email: mail, phone: tel}\nheaders: {mail: [Contact], tel: [contact]}\n",
        ["headers.tel", "'contact'", "stands for 'mail' already"],
    ),
    (LEAD + "custom: [x]\n", ["custom", "is not an object"]),
    (LEAD + "custom: {Shoe Size: x}\n", ["custom.Shoe Size", "small letters"]),
    (LEAD + "custom: {gclid: x}\n", ["custom.gclid", "a field of ours", "`touch`"]),
    (LEAD + "custom: {city: x}\n", ["custom.city", "a field of ours", "`lead`"]),
    (LEAD + "custom: {price: {from: x, as: money}}\n", ["custom.price.as", "'money'", "text, number"]),
    (LEAD + "custom: {size: {form: x}}\n", ["custom.size.form", "did you mean from?"]),
    (LEAD + "earlier_touches: {at: x}\n", ["earlier_touches", "is not a list"]),
    (LEAD + "earlier_touches: [{utm_source: x}]\n", ["earlier_touches[0]", "says no `at`"]),
    (LEAD + "earlier_touches: [{at: x}]\n", ["earlier_touches[0]", "reads no evidence", "utm_source"]),
    (LEAD + "earlier_touches: [{at: x, email: y}]\n", ["earlier_touches[0].email", "'email'", "utm_medium"]),
    (LEAD + "earlier_touches: [{at: x, utm_sorce: y}]\n", ["earlier_touches[0].utm_sorce", "did you mean utm_source?"]),
    (
        LEAD + "earlier_touches: [{at: {from: x, order: dym}, utm_source: y}]\n",
        ["earlier_touches[0].at.order", "'dym'", "dmy"],
    ),
    (
        LEAD + "earlier_touches: [{at: x, utm_source: {from: y, as: txt}}]\n",
        ["earlier_touches[0].utm_source.as", "'txt'", "text"],
    ),
    *(
        (
            HEAD + f"lead: {{occurred_at: {{from: a, as: date, formats: ['{pattern}']}}}}\n",
            ["lead.occurred_at.formats", pattern, why],
        )
        for why, patterns in {
            "no date format": ("%d%d", "%Q", "%", "day", "%Y-%m-%d %Y"),
            "names no year": ("%d/%m", "%H:%M"),
        }.items()
        for pattern in patterns
    ),
    (
        HEAD + "lead: {email: {from: a, values: {Demo: 1, ' demo': 2}}}\n",
        ["lead.email.values", "' demo'", "'Demo'", "the same word"],
    ),
    (HEAD + "lead: {email: {from: a, values: {1: x, '1': y}}}\n", ["lead.email.values", "'1'", "1", "the same word"]),
    (
        LEAD + "consent: {mail: {from: x, values: {✓ Mail: true, ✓ mail: false}}}\n",
        ["consent.mail.values", "✓ mail", "the same word"],
    ),
    (LEAD + "lead: {phone: tel}\n", ["line 4", "'lead'", "twice"]),
    (LEAD + "? [a]\n: b\n", ["line 4"]),
]
BROKEN_DESTINATIONS = [
    ("destination: other\nversion: 1\nfields: {A: email}\n", ["destination", "'acme'"]),
    ("destination: acme\nversion: 0\nfields: {A: email}\n", ["version"]),
    ("destination: acme\nversion: 1\n", ["fields", "maps no field"]),
    (
        "destination: acme\nversion: 1\nfields: {A: emial}\n",
        ["fields.A.from", "did you mean email?", "original_source"],
    ),
    (
        "destination: acme\nversion: 1\nfields: {A: original_glcid}\n",
        ["fields.A.from", "did you mean original_gclid?", "custom.NAME"],
    ),
    ("destination: acme\nversion: 1\nfields: {A: custom.Size}\n", ["fields.A.from", "'custom.Size'", "custom.NAME"]),
    ("destination: acme\nversion: 1\nfields: {A: consent.marketing}\n", ["fields.A.from", "consent.PURPOSE.CHANNEL"]),
    (
        "destination: acme\nversion: 1\nfields: {A: {from: consent.marketing.email.time}}\n",
        ["fields.A.from", "'time'", ".at, .source, .policy_version"],
    ),
    ("destination: acme\nversion: 1\nfields: {A: {max: 3}}\n", ["fields.A", "from"]),
    ("destination: acme\nversion: 1\nfields: {A: {from: email, max: 0}}\n", ["fields.A.max", "0"]),
    (
        "destination: acme\nversion: 1\nfields: {A: {from: email, too_long: cut}}\n",
        ["fields.A.too_long", "refuse, truncate"],
    ),
    ("destination: acme\nversion: 1\nfields: {A: {from: email, as: datum}}\n", ["fields.A.as", "'datum'", "boolean"]),
    ("destination: acme\nversion: 1\nfields: {A: {from: email, length: 4}}\n", ["fields.A.length", "max"]),
    *(
        (f"destination: acme\nversion: 1\nfields: {{A: {rule}}}\n", named)
        for rule, named in [
            ("{from: email, as: number, max: 3}", ["fields.A.max", "`as: text`", "`as: number`"]),
            ("{from: email, digits: 3}", ["fields.A.digits", "`as: number`", "`as: integer`", "`as: text`"]),
            ("{from: email, as: email, too_long: truncate, max: 9}", ["fields.A.too_long", "`as: text`"]),
            ("{from: email, too_long: truncate}", ["fields.A.too_long", "`max`"]),
            ("{from: email, as: integer, digits: 0}", ["fields.A.digits", "0"]),
            ("{from: email, as: integer, at_least: few}", ["fields.A.at_least", "'few'", "number"]),
            ("{from: email, as: integer, at_most: true}", ["fields.A.at_most", "True"]),
            ("{from: email, at_most: 3}", ["fields.A.at_most", "`as: number`"]),
            ("{from: email, as: list, separator: ''}", ["fields.A.separator", "''"]),
            ("{from: email, as: picklist}", ["fields.A", "no `picklist`"]),
            ("{from: email, as: picklist, picklist: []}", ["fields.A.picklist", "names no value"]),
            ("{from: email, picklist: [a]}", ["fields.A.picklist", "`as: picklist`"]),
            ("{from: email, as: list, unlisted: leave_out}", ["fields.A.unlisted", "needs a `picklist`"]),
            (
                "{from: email, as: picklist, picklist: [a], unlisted: drop}",
                ["fields.A.unlisted", "'drop'", "quarantine, leave_out, default"],
            ),
            ("{from: email, as: picklist, picklist: [a], unlisted: default}", ["fields.A.unlisted", "`default`"]),
            ("{from: email, as: picklist, picklist: [Cold], default: Warm}", ["fields.A.default", "'Warm'", "Cold"]),
            (
                "{from: email, as: picklist, picklist: [Cold], values: {x: Codl}}",
                ["fields.A.values.x", "did you mean Cold?"],
            ),
            ("{from: original_source, write: twice}", ["fields.A.write", "'twice'", "always, once"]),
            ("{from: original_source, write: once, required: true}", ["fields.A.write", "required"]),
            ("{from: email, when_empty: null}", ["fields.A.when_empty", "None", "leave_out, clear"]),
            ("{from: email, when_empty: clear, required: true}", ["fields.A.when_empty", "never empty"]),
            ("{from: email, when_empty: clear, default: x}", ["fields.A.when_empty", "never empty"]),
            ("{constant: x, when_empty: clear}", ["fields.A.when_empty", "never empty"]),
            ("merged_into", ["fields.A", "`when_empty: clear`"]),
            ("{from: merged_into}", ["fields.A", "`when_empty: clear`"]),
            ("{from: merged_into, when_empty: clear, write: once}", ["fields.A", "a mark would stay"]),
            ("{from: [merged_into, person_id], when_empty: clear}", ["fields.A.from", "must stand alone"]),
        ]
    ),
]


@pytest.mark.parametrize(("text", "named"), BROKEN_SOURCES)
def test_a_broken_source_mapping_says_where_what_and_what_is_allowed(tmp_path, text, named):
    path = tmp_path / "acme.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_source_mapping(path)
    for part in ("acme.yaml", *named):
        assert part in str(caught.value)


@pytest.mark.parametrize(("text", "named"), BROKEN_DESTINATIONS)
def test_a_broken_destination_mapping_says_where_what_and_what_is_allowed(tmp_path, text, named):
    path = tmp_path / "acme.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_destination_mapping(path)
    for part in ("acme.yaml", *named):
        assert part in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"acme\.yaml does not exist"):
        read_source_mapping(tmp_path / "acme.yaml")
    (tmp_path / "acme.yaml").write_bytes(b"source: \xff\xfe")
    with pytest.raises(ConfigurationError, match=r"acme\.yaml"):
        read_source_mapping(tmp_path / "acme.yaml")
