"""Every format in turn."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from kitchens import FORMATS


@pytest.fixture(params=FORMATS)
def form(request):
    return FORMATS[request.param]
