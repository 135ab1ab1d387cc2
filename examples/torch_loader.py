"""Train with pagebuddy's DataLoader: one line differs from a program that uses torch's.

python examples/torch_loader.py [EPOCHS]
"""

import sys

import torch

from pagebuddy.adapters.torch import (
    DataLoader,
)  # instead of: from torch.utils.data import DataLoader

if __name__ == "__main__":
    images = [(torch.full((3, 64, 64), float(label)), label) for label in (0, 1)] * 64
    model = torch.nn.Linear(3 * 64 * 64, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-5)
    loader: DataLoader[list[torch.Tensor]] = DataLoader(images, 32, shuffle=True, num_workers=2)
    for epoch in range(int((*sys.argv, "2")[1])):
        for image, label in loader:
            optimizer.zero_grad()
            (model(image.flatten(1)).squeeze(1) - label).square().mean().backward()
            optimizer.step()
        print(f"epoch {epoch}: {len(loader)} batches in {loader.arena}")
