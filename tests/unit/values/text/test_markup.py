from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.text.markup import may_hold_markup, remove_markup
from pipeline.values.text.text import normalize_line, normalize_paragraphs

REMOVED = [
    ("<b>Brandt</b>", "Brandt"),
    ("<B>Brandt</B >", "Brandt"),
    ("<p>one</p><p>two</p>", "one\n\ntwo"),
    ("one<br>two", "one\ntwo"),
    ("one<br/>two", "one\ntwo"),
    ("one<br />two", "one\ntwo"),
    ("<div>one</div><div>two</div>", "one\n\ntwo"),
    ("<ul><li>one</li><li>two</li></ul>", "one\n\ntwo"),
    ("<h1>Hello</h1>world", "Hello\nworld"),
    ("<table><tr><td>a</td><td>b</td></tr></table>", "a b"),
    ('<a href="https://x.example">here</a>', "here"),
    ("<a href='https://x.example' target=_blank>here</a>", "here"),
    ('<span style="color: red">red</span>', "red"),
    ('<img src="x.png" alt="1 > 0">seen', '<img src="x.png" alt="1 > 0">seen'),
    ('<img src="x.png" alt="x">seen', "seen"),
    ("<input type=checkbox checked>yes", "yes"),
    ("<script>alert('x')</script>Ada", "Ada"),
    ('<script src="https://x.example/a.js"></script>Ada', "Ada"),
    ("Ada<script>alert(1)", "Ada"),
    ("<style>p {color: red}</style>Ada", "Ada"),
    ("<STYLE type='text/css'>p > a {}</STYLE>Ada", "Ada"),
    ("<!-- hidden -->Ada", "Ada"),
    ("Ada<!-- never closed", "Ada"),
    ("<!DOCTYPE html><html><body>Ada</body></html>", "Ada"),
    ("Smith &amp; Sons", "Smith & Sons"),
    ("Smith &amp;amp; Sons", "Smith & Sons"),
    ("Smith &" + "amp;" * 20 + " Sons", "Smith & Sons"),
    ("Smith &AMP; Sons", "Smith & Sons"),
    ("Smith &#38; Sons", "Smith & Sons"),
    ("Smith &#x26; Sons", "Smith & Sons"),
    ("Jos&eacute;", "José"),
    ("M&uuml;ller", "Müller"),
    ("Espa&ntilde;a", "España"),
    ("Acme&nbsp;GmbH", "Acme GmbH"),
    ("L&#39;Or&eacute;al", "L'Oréal"),
    ("L&rsquo;Or&eacute;al", "L’Oréal"),
    ("&quot;Ada&quot;", '"Ada"'),
    ("5 &lt; 6", "5 < 6"),
    ("&lt;b&gt;Ada&lt;/b&gt;", "Ada"),
    ("&amp;lt;b&amp;gt;Ada", "Ada"),
    ("&euro; 500", "€ 500"),
    ("&#8364; 500", "€ 500"),
    ("&copy; Acme", "© Acme"),
    ("a&shy;b", "ab"),
    ("<<b>b>Ada", "Ada"),
    ("Jos&Atilde;&copy;", "José"),
]
KEPT = [
    "a < b",
    "a<b",
    "a > b",
    "a < b and c > d",
    "a<b and c>d",
    "<3",
    "I <3 CRM",
    "<-- here",
    "-->",
    "AT&T",
    "Johnson & Johnson",
    "R&D",
    "R&D <rd@x.org>",
    "Ada <ada@x.org>",
    "<ada@x.org>",
    "Ada Brandt <a@b.example>",
    "<a@b.example>",
    "<p@x.example>; <i@x.example>",
    "<https://x.example>",
    "<company>",
    "<your name>",
    "<name>",
    "<<<",
    ">>> quoted",
    "List<String>",
    "x<y>z",
    "<p",
    "<br",
    "p>",
    "<b and c>",
    "<i think>",
    "&",
    "&;",
    "& co;",
    "&notanentity;",
    "&notit;",
    "&copyleft;",
    "M&A; sales",
    "&#;",
    "&#x;",
    "https://x.example/?a=1&copy=2",
    "https://x.example/?a=1&lt=2",
    "Q&A",
    "{{ name }}",
    "1 <2> 3",
    "< b >",
    "</ b>",
    "<!->",
    "if a<5&&b>6;",
]


@pytest.mark.parametrize(("text", "shown"), REMOVED)
def test_of_html_remains_what_a_reader_would_see(text, shown):
    found = normalize_paragraphs(text)
    assert found.value == shown
    assert ("html_removed" in found.flags) == (shown != text)
    if shown != text:
        assert found.raw == text


@pytest.mark.parametrize("text", KEPT)
def test_what_only_looks_like_html_stays(text):
    assert remove_markup(text) == text
    assert normalize_paragraphs(text) == (text, (), None, ())


def test_in_a_line_blocks_become_spaces():
    assert normalize_line("<p>Brandt<br>GmbH</p>").value == "Brandt GmbH"
    assert normalize_line("<p>Brandt<br>GmbH</p>").flags == ("html_removed",)


def test_a_cell_of_html_only_is_blank():
    assert normalize_line("<p>&nbsp;</p>") == (None, ("html_removed", "blank"), "<p>&nbsp;</p>", ())


def test_there_are_tables_worth_their_name():
    assert len(REMOVED) + len(KEPT) >= 90


@pytest.mark.parametrize(
    "text",
    [
        "<" * 100_000,
        "<a " * 33_000,
        '<a x="' * 16_000,
        "<a x=y " * 14_000,
        "<!--" * 25_000,
        "<script>" * 12_500,
        "</script" * 12_500,
        "&amp;" * 20_000,
        "&" * 100_000,
        "&#38;" * 20_000,
        "<" * 50_000 + "b>" * 25_000,
        "<b " + "a=b " * 25_000 + ">",
        "&l<b>t;" * 14_000,
    ],
)
def test_hostile_text_of_a_hundred_kilobytes_is_read_and_settles(text):
    once = normalize_paragraphs(text).value
    if once is not None:
        assert normalize_paragraphs(once).value == once


MARKUP = st.lists(
    st.sampled_from(["<", ">", "b", "br", "p", "/", "&", "amp", ";", "lt", "gt", "#38", "<b>", "a=b", '"', " "])
)


@given(MARKUP.map("".join))
def test_removing_twice_changes_nothing(text):
    for normalize in (normalize_line, normalize_paragraphs):
        once = normalize(text).value
        if once is not None:
            assert normalize(once) == (once, (), None, ())


@given(st.text(alphabet="<>&;!-abpr/=\"' #x3\n", max_size=60))
def test_the_cheap_look_misses_nothing(text):
    if not may_hold_markup(text):
        assert remove_markup(text) == text
