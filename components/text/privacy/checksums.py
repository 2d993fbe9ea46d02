"""Validity of numbers by the rules of their issuers: prefix, length, checksum."""

from __future__ import annotations

from datetime import date


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


IBAN_LENGTHS = dict(
    entry.split("=")
    for entry in _set(
        "AD=24 AE=23 AL=28 AT=20 AZ=28 BA=20 BE=16 BG=22 BH=22 BI=27 BR=29 BY=28 CH=21"
        " CR=22 CY=28 CZ=24 DE=22 DJ=27 DK=18 DO=28 EE=20 EG=29 ES=24 FI=18 FK=18 FO=18"
        " FR=27 GB=22 GE=22 GI=23 GL=18 GR=27 GT=28 HN=28 HR=21 HU=28 IE=22 IL=23 IQ=23"
        " IS=26 IT=27 JO=30 KW=30 KZ=20 LB=28 LC=32 LI=21 LT=20 LU=20 LV=21 LY=25 MC=27"
        " MD=24 ME=22 MK=19 MN=20 MR=27 MT=31 MU=30 NI=28 NL=18 NO=15 OM=23 PK=24 PL=28"
        " PS=29 PT=25 QA=29 RO=24 RS=22 RU=33 SA=24 SC=31 SD=18 SE=24 SI=19 SK=24 SM=27"
        " SO=23 ST=25 SV=28 TL=23 TN=24 TR=26 UA=29 VA=22 VG=24 XK=20 YE=30"
    )
)
"""Characters of an account number by country, from the SWIFT registry of IBANs."""

_CARDS = (
    ((4, 4), (13, 16, 19)),  # Visa
    ((51, 55), (16,)),  # Mastercard
    ((2221, 2720), (16,)),  # Mastercard
    ((34, 34), (15,)),  # American Express
    ((37, 37), (15,)),  # American Express
    ((300, 305), (14, 16, 17, 18, 19)),  # Diners Club
    ((3095, 3095), (14, 16, 17, 18, 19)),  # Diners Club
    ((36, 36), (14, 15, 16, 17, 18, 19)),  # Diners Club
    ((38, 39), (14, 16, 17, 18, 19)),  # Diners Club
    ((6011, 6011), (16, 17, 18, 19)),  # Discover
    ((644, 649), (16, 17, 18, 19)),  # Discover
    ((65, 65), (16, 17, 18, 19)),  # Discover
    ((3528, 3589), (16, 17, 18, 19)),  # JCB
    ((62, 62), (16, 17, 18, 19)),  # UnionPay
    ((2200, 2204), (16, 17, 18, 19)),  # Mir
    *(
        ((iin, iin), tuple(range(13, 20)))  # Maestro
        for iin in (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763)
    ),
)
_PROVINCES = _set(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54"
    " 61 62 63 64 65 71 81 82 83"
)
_RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """Returns whether the last digit is a valid Luhn digit (ISO/IEC 7812-1)."""
    numbers = [int(digit) for digit in reversed(digits)]
    return (sum(numbers[::2]) + sum(_DOUBLED[n] for n in numbers[1::2])) % 10 == 0


def is_payment_card(digits: str) -> bool:
    """Returns whether a card can have this number: issuer, length and Luhn digit."""
    for (low, high), lengths in _CARDS:
        prefix = int(digits[: len(str(low))])
        if low <= prefix <= high and len(digits) in lengths:
            return luhn(digits)
    return False


def is_iban(value: str) -> bool:
    """Returns whether an account can have this number, without spaces (ISO 13616).

    The check digits 00, 01 and 99 are never given out, though modulo 97 alone takes
    them for 97, 98 and 02.
    """
    if IBAN_LENGTHS.get(value[:2]) != str(len(value)):
        return False
    if not 2 <= int(value[2:4]) <= 98:
        return False
    moved = value[4:] + value[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def is_us_ssn(digits: str) -> bool:
    """Returns whether nine digits are in a range of social security numbers."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area < "900" and "000" != area != "666" and group > "00" and serial > "0000"


def resident_check(digits: str) -> str:
    """Returns the check character of 17 digits (GB 11643, ISO 7064 MOD 11-2)."""
    pairs = zip(digits[:17], _RESIDENT_WEIGHTS, strict=True)
    return "10X98765432"[sum(int(digit) * weight for digit, weight in pairs) % 11]


def is_resident_id(value: str) -> bool:
    """Returns whether 18 characters can be a Chinese resident's number.

    By region, birthday (1900 to 2099) and check character.
    """
    if value[:2] not in _PROVINCES or value[6:8] not in ("19", "20"):
        return False
    try:
        date(int(value[6:10]), int(value[10:12]), int(value[12:14]))
    except ValueError:
        return False
    return resident_check(value) == value[17].upper()


_COUNTRIES = _set(
    "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60"
    " 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98"
)
_LONG_COUNTRIES = _set(
    "211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234"
    " 235 236 237 238 239 240 241 242 243 244 245 246 248 249 250 251 252 253 254 255"
    " 256 257 258 260 261 262 263 264 265 266 267 268 269 290 291 297 298 299 350 351"
    " 352 353 354 355 356 357 358 359 370 371 372 373 374 375 376 377 378 380 381 382"
    " 383 385 386 387 389 420 421 423 500 501 502 503 504 505 506 507 508 509 590 591"
    " 592 593 594 595 596 597 598 599 670 672 673 674 675 676 677 678 679 680 681 682"
    " 683 685 686 687 688 689 690 691 692 800 850 852 853 855 856 870 880 881 882 883"
    " 886 888 960 961 962 963 964 965 966 967 968 970 971 972 973 974 975 976 977 979"
    " 992 993 994 995 996 998"
)


def is_international(digits: str) -> bool:
    """Returns whether digits after a plus sign can be a telephone number (E.164).

    North America and China by their own plans, other countries by code and length.
    """
    if digits[0] == "1" or digits[0] == "7":
        return len(digits) == 11 and (digits[0] == "7" or is_north_american(digits[1:]))
    if digits[:2] == "86":
        return is_chinese(digits[2:])
    if digits[:2] not in _COUNTRIES and digits[:3] not in _LONG_COUNTRIES:
        return False
    return 9 <= len(digits) <= 15


def is_north_american(digits: str) -> bool:
    """Returns whether ten digits are an area, an exchange and a line of the NANP."""
    area, exchange = digits[:3], digits[3:6]
    return (
        len(digits) == 10
        and area[0] > "1"
        and exchange[0] > "1"
        and area[1] != "9"
        and area[1:] != "11"
        and exchange[1:] != "11"
    )


def is_chinese(digits: str) -> bool:
    """Returns whether digits without trunk zero are a Chinese mobile or fixed line."""
    if digits[0] == "1" and digits[1:2] >= "3":
        return len(digits) == 11
    if digits[:2] == "10" or digits[0] == "2":
        return len(digits) == 10 and "1" < digits[2] < "9"
    return len(digits) in (10, 11) and digits[0] > "2" and "1" < digits[3] < "9"
