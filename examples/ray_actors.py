"""Pass frames between Ray's actors through an arena: python examples/ray_actors.py"""

import numpy as np
import ray

import pagebuddy.adapters.ray

pagebuddy.adapters.ray.register()  # this, and what the actor has in parentheses, is for pagebuddy


@ray.remote(num_cpus=0, enable_tensor_transport=True)
class Camera:
    @ray.method(tensor_transport="PAGEBUDDY")
    def frame(self, i):
        return np.full((1080, 1920, 3), i, "u1")

    def brightness(self, frame):
        return float(frame.mean()), frame.flags.writeable


ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
camera, viewer = Camera.remote(), Camera.remote()
for i in range(3):
    print(ray.get(viewer.brightness.remote(camera.frame.remote(i))))
