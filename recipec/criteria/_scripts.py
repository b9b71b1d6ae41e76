"""Characters by the part that they play in words: one table for the regular expressions of DuckDB and for numpy.

A word is what white space separates, marks included, as in the papers whose rules these are. Where a script is written
without spaces, it is a word of Unicode's default rules (UAX #29, without a dictionary): each character of Han, Hiragana,
Thai, Lao, Khmer, Myanmar and their relatives with its combining marks, each run of Katakana. Punctuation and symbols
beside such a character belong to its word, as they do in English. Numbers and words of other scripts between such
characters stay whole.

Dictionaries (ICU) would find longer words in Thai or Chinese, but other ones in each version, and other ones for the
same words in another sentence, so that an example would not be found within a document. Instead, n-grams of Thai and its
like have more of these short words (`PARTS_OF_WORD`).

Ranges are those of Unicode 17, as hexadecimal text. In ASCII only white space separates.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np

from recipec.arrays import Array

SPACES = "9-D 20 85 A0 F0B-F0C 1361 1680 2000-200B 2028-2029 202F 205F 3000"
"""White space, the zero width space that Khmer and Thai are typed with, and the separators of Tibetan and Ethiopic."""

PARTS = (
    "E01-E30 E32-E33 E40-E46 E81-EB0 EB2-EB3 EBD-EC6 EDC-EDF 1000-102A 103F 1050-1055 105A-105D 1061 1065-1066 "
    "106E-1070 1075-1081 108E 1780-17B3 17D7 17DC 1950-19C9 1A20-1A54 1AA7 A9E0-A9E4 A9E6-A9EF A9FA-A9FE AA60-AA76 AA7A "
    "AA7E-AAAF AAB1 AAB5-AAB6 AAB9-AABD AAC0 AAC2 AADB-AADD 11700-1171A 11740-11746"
)
"""Letters of Thai, Lao, Khmer, Burmese and related scripts, where a dictionary would find several in most words."""

SINGLE = (
    f"{PARTS} 3005-3007 3021-3029 3038-303A 3041-3096 309D-309F 3400-4DBF 4E00-9FFF F900-FAFF 16FF2-191FF 1B001-1B11F "
    "1B132-1B152 1B170-1B2FB 20000-3FFFF"
)
"""Characters of scripts without spaces that are a word each. (UAX #29 joins `々` to a second one; here it is single.)"""

PARTS_OF_WORD = 4
"""How many of `PARTS` make up a word where words are counted out in a row: an n-gram of such a text has as many times n.
ICU's dictionaries find 3.7 in a word of Thai, 4.5 in Lao, 3.7 in Khmer and 2.4 in Burmese."""

KATAKANA = "3031-3035 309B-309C 30A0-30FA 30FC-30FF 31F0-31FF 32D0-32FE 3300-3357 FF66-FF9F 1AFF0-1B000 1B120-1B122 1B155-1B168"
"""Characters whose runs are words."""

MARKS = (
    "300-36F E31 E34-E3A E47-E4E EB1 EB4-EBC EC8-ECE 102B-103E 1056-1059 105E-1060 1062-1064 1067-106D 1071-1074 "
    "1082-108D 108F 109A-109D 17B4-17D3 17DD 1A55-1A7F 1AB0-1ADD 200C-200D 20D0-20F0 302A-302F 3099-309A A9E5 AA7B-AA7D "
    "AAB0 AAB2-AAB4 AAB7-AAB8 AABE-AABF AAC1 1171D-1172B FE00-FE0F E0100-E01EF"
)
"""Marks that combine with the character before them, of those that may follow `SINGLE` and `KATAKANA`."""

SYMBOLS = (
    "21-2F 3A-40 5B-60 7B-7E A1-A9 AB-AC AE-B1 B4 B6-B8 BB BF D7 F7 E2F E3F E4F E5A-E5B 104A-104F 17D4-17D6 17D8-17DB "
    "1AA0-1AA6 1AA8-1AAD 2010-2027 2030-205E 20A0-20CF 2190-2BFF 2E00-2E7F 3001-3004 3008-3020 3030 303D-303F 30FB "
    "AADE-AADF FE10-FE19 FE30-FE6B FF01-FF0F FF1A-FF20 FF3B-FF40 FF5B-FF65 FFE0-FFEE 1F000-1FBEF"
)
"""Punctuation and symbols that may stand beside `SINGLE` and `KATAKANA`."""

UNSPACED = f"{SINGLE} {KATAKANA}"

UNPUNCTUATED = "E01-E3A E40-E4E E81-EDF"
"""Letters and marks of the scripts without punctuation at the end of a sentence: Thai and Lao."""

LATIN = "41-5A 61-7A AA BA C0-D6 D8-F6 F8-24F 1E00-1EFF 2C60-2C7F A722-A7FF AB30-AB64 FF21-FF3A FF41-FF5A"
"""Letters of the Latin script."""

NOT_LATIN = (
    "370-1DFF 1F00-1FFF 2C00-2C5F 2C80-2DFF 3005-3007 3041-318F 31A0-31FF 3400-A4CF A500-A6FF A800-AB2F AB70-DFFF F900-FAFF "
    "FB13-FDFF FE70-FEFC FF66-FFDC 10000-1CBFF 1E000-1EFFF 20000-3FFFF"
)
"""Blocks of the letters of other scripts."""

SPACE, OTHER, SYMBOL, MARK, ONE, PART, RUN = range(7)
"""The kinds of characters: `OTHER` ones make ordinary words; those from `ONE` on are `UNSPACED`."""


def spans(ranges: str) -> list[tuple[int, int]]:
    """The first and the last code point of each range."""
    pairs = (one.partition("-") for one in ranges.split())
    return [(int(first, 16), int(last or first, 16)) for first, _, last in pairs]


def class_of(ranges: str) -> str:
    """What stands between the brackets of a class of characters of a regular expression (RE2)."""
    return "".join(rf"\x{{{first:X}}}-\x{{{last:X}}}" for first, last in spans(ranges))


@cache
def word() -> str:
    """The regular expression (RE2, leftmost-first) whose matches in a text are its words."""
    beside = f"[{class_of(SYMBOLS)}{class_of(MARKS)}]*"
    run = f"[{class_of(KATAKANA)}][{class_of(KATAKANA)}{class_of(MARKS)}]*"
    other = f"[^{class_of(SPACES)}{class_of(UNSPACED)}]+"
    return f"{beside}(?:[{class_of(SINGLE)}]|{run}){beside}|{other}"


@cache
def kinds() -> Array:
    """(0x110000,) uint8: the kind of each code point in words with their punctuation. NUL separates texts."""
    table = np.full(0x110000, OTHER, dtype=np.uint8)
    parts = ((SYMBOL, SYMBOLS), (MARK, MARKS), (ONE, SINGLE), (PART, PARTS), (RUN, KATAKANA), (SPACE, f"0 {SPACES}"))
    for kind, ranges in parts:
        for first, last in spans(ranges):
            table[first : last + 1] = kind
    return table


@cache
def kinds_of_letters() -> Array:
    """(0x110000,) uint8: the kind of each code point in words of letters, digits and combining marks alone.

    Of ASCII, small letters and digits: texts must be in lower case."""
    table = kinds().copy()
    table[table == SYMBOL] = OTHER
    # Beyond these planes there are Han characters, variation selectors and private characters only.
    for code in range(0x20000):
        # What this version of Python does not know (Cn) is a letter, and so are private characters (Co).
        if unicodedata.category(chr(code)) in SEPARATORS:
            table[code] = SPACE
    table[ord("A") : ord("Z") + 1] = SPACE
    return table


SEPARATORS = frozenset({"Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf"})
"""Unicode's general categories of punctuation, symbols, white space and controls."""
