"""What holds for all tests."""

import torch
from hypothesis import settings

# The tensors are small, and threads that wait for each other make a shared machine crawl.
torch.set_num_threads(1)

# The same examples in every run: a failure is about the change, and can be had again.
settings.register_profile("propstats", derandomize=True, deadline=None)
settings.load_profile("propstats")

# They give torch another device, which it cannot forget; `auditing/test_placement.py` runs them in their own process.
collect_ignore = ["other_device.py", "other_device_checks.py"]
