"""What holds for all tests: how fast the machine is says nothing of what is tested."""

import hypothesis

# On top of what holds already, as in CI, where Hypothesis has a profile of its own.
hypothesis.settings.register_profile(
    "unhurried", hypothesis.settings(), deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")
