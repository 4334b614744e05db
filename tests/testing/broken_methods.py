"""A sound method, and one that breaks each promise; torch is imported here."""

from __future__ import annotations

import socket
import tempfile
from typing import Any

import torch
from torch import nn

from histokit.interfaces import (
    Adapter,
    Feed,
    Instances,
    Maps,
    Method,
    Phase,
    Segmenter,
    Sizes,
    Translator,
)
from histokit.postprocess.watershed import watershed
from testing.broken_cards import SmallConfig


class HeavyConfig(SmallConfig):
    """Settings that cannot be had without torch."""


class Sound(Method, Segmenter):
    """Logistic regression on colour; each hook below is where a broken one differs."""

    def __init__(self, config: Any, context: Any) -> None:
        self.config = config
        self.net = nn.Conv2d(3, 1, 1).to(context.device)
        self.updater = context.updater([self.net], 0.01)

    @classmethod
    def build(cls, config: Any, context: Any) -> Sound:
        return cls(config, context)

    def stateful(self) -> dict[str, Any]:
        return {"net": self.net, "updater": self.updater}

    def phases(self) -> list[Phase]:
        return [
            Phase("one", self.config.steps, Feed.LABELLED, self.step),
            Phase("two", self.config.steps, Feed.LABELLED, self.step),
        ]

    def step(self, batch: Any) -> dict[str, Any]:
        truth = (batch.ids > 0).float().unsqueeze(1)
        loss = nn.functional.binary_cross_entropy_with_logits(self.net(batch.images), truth)
        self.updater.update(loss * self.weight())
        return {"bce": loss.detach()}

    def weight(self) -> float:
        return 1.0

    def segment(self, images: torch.Tensor) -> Maps:
        return Maps(self.logits(images), "sigmoid")

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        return self.net(images)

    def decode(self, maps: Maps) -> Instances:
        return watershed(maps.logits[0, 0].sigmoid().numpy(), min_area=1)

    def warnings(self, losses: Any, step: int) -> list[str]:
        return [f"bce is {losses['bce']} after {step} steps"]

    def measures(self, batch: Any) -> dict[str, torch.Tensor]:
        light = batch.images.flatten(1).mean(1)
        light[batch.ids.flatten(1).amax(1) == 0] = torch.nan
        return {"light": light}

    def facts(self) -> dict[str, dict[str, float]]:
        return {"weights": {"bias": float(self.net.bias.detach())}}


class Adapted(Sound, Adapter):
    """It rehearses with what it is."""

    def segmenter(self) -> Segmenter:
        return self

    def rehearsal(self) -> Segmenter | None:
        return self


class Tint(Method, Translator):
    """Darkens; it is not trained."""

    @classmethod
    def build(cls, config: Any, context: Any) -> Tint:
        return cls()

    def stateful(self) -> dict[str, Any]:
        return {}

    def phases(self) -> list[Phase]:
        return []

    def translate(self, images: torch.Tensor) -> torch.Tensor:
        return images * 0.5


class Normed(Tint):
    """Its colours depend on those of the whole image, through an instance norm."""

    sizes = Sizes(min=2)

    def __init__(self) -> None:
        self.net = nn.InstanceNorm2d(3)

    def stateful(self) -> dict[str, Any]:
        return {"net": self.net}

    def translate(self, images: torch.Tensor) -> torch.Tensor:
        return self.net(images).sigmoid()


class Glaring(Tint):
    def translate(self, images: torch.Tensor) -> torch.Tensor:
        return images * 2


class Greedy(Sound):
    def phases(self) -> list[Phase]:
        return [Phase("one", 2, Feed.SOURCE_TARGET, self.step)]


class Exploding(Sound):
    def weight(self) -> float:
        return float("inf")


class Crashing(Sound):
    def weight(self) -> float:
        return {}["weight"]


class Forgetful(Sound):
    """The optimiser is not named."""

    def stateful(self) -> dict[str, Any]:
        return {"net": self.net}


class Distracted(Sound):
    """A second network is not named."""

    def __init__(self, config: Any, context: Any) -> None:
        super().__init__(config, context)
        self.helpers = {"critic": nn.Conv2d(1, 1, 1)}


class Reseeding(Sound):
    def __init__(self, config: Any, context: Any) -> None:
        torch.manual_seed(7)
        super().__init__(config, context)


class Counting(Sound):
    """The loss depends on a number that is not saved."""

    calls = 0

    def weight(self) -> float:
        self.calls += 1
        return float(self.calls)


class Shift:
    """Saved and restored, but no network: `best.safetensors` does not hold it."""

    def __init__(self) -> None:
        self.value = torch.zeros(())

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.value = state["value"]


class Hiding(Sound):
    def __init__(self, config: Any, context: Any) -> None:
        super().__init__(config, context)
        self.shift = Shift()

    def stateful(self) -> dict[str, Any]:
        return {**super().stateful(), "shift": self.shift}

    def step(self, batch: Any) -> dict[str, Any]:
        self.shift.value = self.shift.value + 1
        return super().step(batch)

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        return super().logits(images) + self.shift.value


class Doubling(Sound):
    def logits(self, images: torch.Tensor) -> torch.Tensor:
        return super().logits(images).double()


class Halving(Sound):
    """Any size is promised, but an odd one shrinks."""

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        half = nn.functional.avg_pool2d(super().logits(images), 2, ceil_mode=images.shape[-1] == 1)
        return half.repeat_interleave(2, 2).repeat_interleave(2, 3)


class Scribbling(Sound):
    def logits(self, images: torch.Tensor) -> torch.Tensor:
        return super().logits(images.mul_(0.5))


class Remembering(Sound):
    last = 0.0

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        before, self.last = self.last, float(images.mean())
        return super().logits(images) + before


class Tallying(Sound):
    """Counts its uses in a buffer."""

    def __init__(self, config: Any, context: Any) -> None:
        super().__init__(config, context)
        self.net.register_buffer("uses", torch.zeros(()))

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        self.net.uses += 1
        return super().logits(images)


class Rolling(Sound):
    """Draws from the global generator, to no effect."""

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        return super().logits(images) + 0 * torch.rand(())


class Averaging(Sound):
    def logits(self, images: torch.Tensor) -> torch.Tensor:
        return super().logits(images - images.mean())


class Dividing(Sound):
    def logits(self, images: torch.Tensor) -> torch.Tensor:
        flat = images.flatten(1).std(1) < 1e-3 if images.shape[-1] > 1 else torch.tensor([False])
        return super().logits(images) / (~flat).float()[:, None, None, None]


class Gaping(Sound):
    def decode(self, maps: Maps) -> Instances:
        ids = super().decode(maps).ids
        ids[:2, :2] = ids.max() + 2
        return Instances(ids)


class Centring(Sound):
    """Compares each pixel with its window."""

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        grey = images.mean(1, keepdim=True)
        return (grey.mean((2, 3), keepdim=True) - grey) * 50


class Littering(Sound):
    def weight(self) -> float:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("litter")
        return 1.0


class Calling(Sound):
    def weight(self) -> float:
        socket.gethostbyname("localhost")
        return 1.0


class Mumbling(Sound):
    def warnings(self, losses: Any, step: int) -> Any:
        return [step]


class Grumbling(Sound):
    """Warns once, and remembers."""

    told = False

    def warnings(self, losses: Any, step: int) -> list[str]:
        before, self.told = self.told, True
        return [] if before else ["odd losses"]


class Ranking(Sound):
    """Measures each sample by the others."""

    def measures(self, batch: Any) -> dict[str, torch.Tensor]:
        light = batch.images.flatten(1).mean(1)
        return {"light": light - light.mean()}


class Endless(Sound):
    def measures(self, batch: Any) -> dict[str, torch.Tensor]:
        return {"area": 1 / (batch.ids.flatten(1) > 0).float().mean(1)}


class Fickle(Sound):
    """Says nothing of images without objects."""

    def measures(self, batch: Any) -> dict[str, torch.Tensor]:
        return super().measures(batch) if bool(batch.ids.any()) else {}


class Copying(Sound):
    """Calls a measure like a score."""

    def measures(self, batch: Any) -> dict[str, torch.Tensor]:
        return {"dice": torch.ones(len(batch.images))}


class Calibrating(Sound):
    """Learns from the images that are scored."""

    def measures(self, batch: Any) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            self.net.bias += 0.1
        return super().measures(batch)

    def facts(self) -> dict[str, dict[str, float]]:
        return {}


class Boundless(Sound):
    def facts(self) -> dict[str, dict[str, float]]:
        return {"weights": {"bias": float("nan")}}


class Dreaming(Sound):
    """Tells of training what its weights do not hold."""

    steps = 0

    def step(self, batch: Any) -> dict[str, Any]:
        self.steps += 1
        return super().step(batch)

    def facts(self) -> dict[str, dict[str, float]]:
        return {"training": {"steps": float(self.steps)}}


class Guessing(Sound):
    def facts(self) -> dict[str, dict[str, float]]:
        return {"chance": {"number": float(torch.rand(()))}}


class Stagefright(Adapted):
    """Never rehearses."""

    def rehearsal(self) -> Segmenter | None:
        return None


class Stuttering(Adapted):
    """Rehearses with something else, which remembers."""

    def __init__(self, config: Any, context: Any) -> None:
        super().__init__(config, context)
        self.other = Remembering(config, context)

    def stateful(self) -> dict[str, Any]:
        mine, others = super().stateful(), self.other.stateful()
        return {**mine, **{f"other {name}": item for name, item in others.items()}}

    def rehearsal(self) -> Segmenter | None:
        return self.other


class Understudy(Adapted):
    """Rehearses with weights that are saved nowhere."""

    def __init__(self, config: Any, context: Any) -> None:
        super().__init__(config, context)
        other = Sound(config, context)
        self.hidden = lambda: other

    def rehearsal(self) -> Segmenter | None:
        return self.hidden()
