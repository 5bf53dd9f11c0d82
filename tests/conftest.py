"""One thread for torch: the tensors are small, and threads that wait for each other make a shared machine crawl."""

import torch

torch.set_num_threads(1)
