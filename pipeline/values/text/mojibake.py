"""Mojibake: UTF-8 that somebody read as another encoding (`JosÃ©`), once or twice, is turned back.

The rules are ftfy's, its repair of encodings and nothing else: quotes, ligatures, widths and controls stay as they are.
"""

from __future__ import annotations

import re
from functools import cache

import ftfy

# Every misread letter has become two or three, none of them ASCII; the second comes from the upper half of a code page
# where no alphabet's plain letters are (or, in those of DOS and the Mac, follows a symbol). C1 controls are in no text.
# U+0085 alone is a line break; a plain space after Ã, which might once have been a no-break space, proves nothing.
# Looking costs 0.3 µs and spares ftfy's 6.
_SUSPICIOUS = re.compile(
    "[^\x00-\x7f][^\x00-\x7f\xc0-\xff\u0391-\u03ce\u0410-\u044f\u0531-\u1fff\u2e80-\U0010ffff]"
    "|[\u2000-\u2bff][\xc0-\xff]|[\x80-\x84\x86-\x9f]"
)


def repair_mojibake(text: str) -> str:
    """The text as it was meant, or the same text. Right text in any language stays as it is."""
    if _SUSPICIOUS.search(text) is None:
        return text
    return ftfy.fix_encoding(text, _encoding_only())


@cache
def _encoding_only() -> ftfy.TextFixerConfig:
    return ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=False,
        fix_encoding=True,
        restore_byte_a0=False,  # takes a plain space for half a letter
        replace_lossy_sequences=False,  # would write U+FFFD where a letter is lost
        decode_inconsistent_utf8=True,
        fix_c1_controls=True,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        fix_surrogates=False,
        remove_control_chars=False,
        normalization=None,
        explain=False,
    )
