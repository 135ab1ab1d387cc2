"""Train with pagebuddy's DataLoader: one line differs from a program that uses torch's.

python examples/torch_loader.py [EPOCHS]
"""

import sys

import torch
from torch.utils.data import TensorDataset

# instead of: from torch.utils.data import DataLoader
from pagebuddy.adapters.torch import DataLoader

if __name__ == "__main__":
    images = TensorDataset(torch.rand(128, 3, 64, 64), torch.arange(128) % 2)
    model = torch.nn.Linear(3 * 64 * 64, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-5)
    loader: DataLoader[tuple[torch.Tensor, ...]] = DataLoader(images, 32, True, num_workers=2)
    for epoch in range(int((*sys.argv, "2")[1])):
        for image, label in loader:
            optimizer.zero_grad()
            (model(image.flatten(1)).squeeze(1) - label).square().mean().backward()
            optimizer.step()
        print(f"epoch {epoch}: {len(loader)} batches in {loader.arena}")
