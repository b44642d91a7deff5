"""How long days are kept: by default, by law, by wish, and never less than the law."""

from __future__ import annotations

from datetime import date

import pytest

from lianfang.app.lake.retention import kept, retention
from lianfang.kernel.errors import InputError

TODAY = date(2026, 11, 24)


def test_three_years_without_a_law_and_ten_with_the_one_in_force() -> None:
    assert kept("", TODAY) == (3, None)
    found = kept("cn_aml", TODAY)
    assert found.years == 10
    assert found.law is not None
    assert "art. 34" in found.law.law.en
    assert "第三十四条" in found.law.law.zh


def test_a_wish_may_be_longer_than_the_law_and_not_shorter() -> None:
    assert kept("", TODAY, 1).years == 1
    assert kept("cn_aml", TODAY, 12) == (12, None)
    assert kept("cn_aml", TODAY, 10).law is not None
    with pytest.raises(InputError, match="asks for 10 years"):
        kept("cn_aml", TODAY, 9)


def test_an_unknown_law_and_one_out_of_force_are_refused() -> None:
    with pytest.raises(InputError, match="there are cn_aml"):
        kept("cn_amll", TODAY)
    with pytest.raises(InputError, match="not in force"):
        kept("cn_aml_2006", TODAY)
    assert kept("cn_aml_2006", date(2020, 1, 1)).years == 5


def test_every_law_of_the_file_has_its_article_in_both_languages_and_its_dates() -> None:
    for one in retention().laws:
        assert "条" in one.law.zh
        assert "art." in one.law.en
        assert one.law.text
        assert one.valid_until is None or one.valid_until > one.valid_from
