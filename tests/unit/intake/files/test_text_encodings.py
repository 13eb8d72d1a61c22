"""Which encoding a file of leads is in, from names and places as they come."""

from __future__ import annotations

import pytest

from pipeline.intake.files.text_encodings import Utf8Check, legacy_encoding, marked_encoding

SPANISH = ["José Muñoz;Málaga;Peñíscola", "Ángel Ibáñez;Córdoba;señor", "Begoña;Núñez;León"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_a_mark_or_the_pattern_of_utf_16_proves_the_encoding(encoding):
    found = marked_encoding("Nombre;Ciudad\nJosé;Málaga\n".encode(encoding))
    assert found == encoding
    assert "Nombre;Ciudad\nJosé;Málaga\n".encode(encoding).decode(found).lstrip("\ufeff").startswith("Nombre")


@pytest.mark.parametrize("head", [b"Name;City\n", b"", b"a\x00b", "Zoë".encode()])
def test_plain_bytes_prove_nothing(head):
    assert marked_encoding(head) is None


def test_utf_8_is_checked_over_chunks_that_cut_characters_in_two():
    check = Utf8Check()
    for byte in "Zoë 😀".encode():
        check.feed(bytes([byte]))
    check.feed(b"", is_last=True)
    assert check.is_valid


@pytest.mark.parametrize("chunks", [[b"Zo\xeb"], [b"Zo\xc3", b"x"], [b"Zo\xc3"]])
def test_one_wrong_byte_anywhere_is_not_utf_8(chunks):
    check = Utf8Check()
    for chunk in chunks:
        check.feed(chunk)
    check.feed(b"", is_last=True)
    assert not check.is_valid


@pytest.mark.parametrize(
    ("lines", "encoding", "region"),
    [
        (SPANISH, "cp1252", None),
        (["Jürgen Müller;Köln;Straße", "Günther Weiß;München"], "cp1252", "DE"),
        (["João Gonçalves;São Paulo;informação"], "cp1252", "BR"),
        (["Łukasz Wiśniewski;Łódź", "Paweł Dąbrowski;Częstochowa"], "cp1250", "PL"),
        (["Şükrü Yılmaz;İstanbul", "Ayşe Çelik;Eskişehir"], "cp1254", "TR"),
        (["Иван Петров;Москва;Хочу демо", "Мария Смирнова;Казань"], "cp1251", None),
        (["Γιώργος Παπαδόπουλος;Αθήνα", "Μαρία Νικολάου;Θεσσαλονίκη"], "cp1253", None),
        (["山田太郎;東京都;よろしくお願いします", "鈴木花子;大阪府"], "cp932", None),
        (["张伟;北京市;请联系我", "王芳;上海市;需要演示"], "gb18030", None),
        (["김민수;서울특별시;연락 주세요", "이영희;부산광역시"], "cp949", None),
    ],
)
def test_files_of_before_unicode_are_read_as_they_were_written(lines, encoding, region):
    written = [line.encode(encoding) + b"\n" for line in lines]
    found = legacy_encoding(written, region)
    assert [line.decode(found).rstrip() for line in written] == lines


def test_a_utf_8_file_with_a_damaged_line_stays_utf_8():
    lines = [line.encode() for line in SPANISH] + [b"Jos\xe9"]
    assert legacy_encoding(lines, None) == "utf-8"
