"""Lets the suites of this folder explain their failed assertions as test modules do."""

from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    *(f"tests.contract.{suite.stem}" for suite in Path(__file__).parent.glob("*_contract.py"))
)
