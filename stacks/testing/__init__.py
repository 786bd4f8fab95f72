"""What every stack must keep, as tests that a plug-in's author can run, too.

In a test module of your own, with pytest and psutil (``pip install 'rpcduel[test]'``)::

    import pytest
    from stacks.testing.suite import *

    @pytest.fixture
    def stack():
        return my_package.my_stack()

Tests that ask for more than your stack has are skipped, with what is missing as the reason.
"""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("calls", "lifecycle", "secure", "streams"))
)
