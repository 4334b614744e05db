"""SynDiff: eight networks that translate between two domains, and how they learn it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Self, final

import torch
from torch import Tensor, nn

from histokit.errors import DataError
from histokit.interfaces import Context, Pair, Sizes, Stateful
from histokit.training.ema import Ema
from histokit.training.updater import Updater
from histokit_syndiff_pl.annealing import cosine
from histokit_syndiff_pl.diffusion import Diffusion, Noised
from histokit_syndiff_pl.limits import side_multiple
from histokit_syndiff_pl.losses import (
    GeneratorTerms,
    called_made,
    called_real,
    gradient_penalty,
    mean_difference,
)
from histokit_syndiff_pl.players import OTHER, Name, Players, build_players

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images
    from histokit.interfaces.method import Losses
    from histokit_syndiff_pl.config import SynDiffConfig

BETAS = (0.5, 0.9)
AVERAGED = ("denoiser", "translator")

Pictures = Mapping[Name, Tensor]
"""Images by domain, float32 [B C H W] in -1..1."""


@final
class SynDiff:
    """SynDiff (arXiv 2207.08208) between the domains ``l`` and ``u``, in both directions at once.

    A step trains the critics of the diffusion, then those of patches, then all four generators on
    one joint loss with fresh noise. Departures from the authors' code, none of which changes a
    gradient: the translators run once a step, not twice; the critics' steps run the denoisers
    without gradients; one Adam holds all networks of a kind, and there is no anomaly mode.
    A translation is a function of the image and `noise_seed`: every window starts from the same
    noise, whatever stands beside it, where the authors' code goes on drawing.
    """

    def __init__(
        self,
        config: SynDiffConfig,
        players: Mapping[Name, Players],
        diffusion: Diffusion,
        updaters: Mapping[str, Updater],
    ) -> None:
        self._config = config
        self._players = players
        self._diffusion = diffusion
        self._generators = updaters["generators"]
        self._critics = updaters["critics"]
        self._patch_critics = updaters["patch_critics"]
        self._averages = {
            f"{kind}_{name}": Ema(getattr(own, kind), config.ema_decay)
            for name, own in players.items()
            for kind in AVERAGED
        }

    @classmethod
    def build(cls, config: SynDiffConfig, context: Context) -> Self:
        """The untrained networks of both domains, on the device."""
        players: dict[Name, Players] = {
            name: build_players(config, context.device) for name in OTHER
        }
        diffusion = Diffusion.of(
            config.diffusion_steps,
            beta_min=config.beta_min,
            beta_max=config.beta_max,
            device=context.device,
        )

        def updater(lr: float, *kinds: str) -> Updater:
            networks = [getattr(own, kind) for kind in kinds for own in players.values()]
            rates = cosine(lr, config.lr_min, config.steps, config.epoch_steps)
            return context.updater(networks, lr, betas=BETAS, schedule=rates)

        updaters = {
            "generators": updater(config.lr, "denoiser", "translator"),
            "critics": updater(config.lr_critic, "critic"),
            "patch_critics": updater(config.lr_critic, "patch_critic"),
        }
        return cls(config, players, diffusion, updaters)

    def stateful(self) -> Mapping[str, Stateful]:
        """All eight networks, the averages of the generators and the optimisers."""
        networks: dict[str, Stateful] = {
            f"{kind}_{name}": network
            for name, own in self._players.items()
            for kind, network in own.named()
        }
        averages: dict[str, Stateful] = {
            f"average_{name}": average for name, average in self._averages.items()
        }
        return {
            **networks,
            **averages,
            "generators": self._generators,
            "critics": self._critics,
            "patch_critics": self._patch_critics,
        }

    @property
    def sizes(self) -> Sizes:
        """Multiples of what the levels of the denoiser and the one-shot translator need."""
        multiple = side_multiple(len(self._config.factors))
        return Sizes(min=max(multiple, 8), multiple_of=multiple)

    def translate(self, images: Images, goal: Name, *, seed: int | None = None) -> Images:
        """Images of the other domain in the look of the domain `goal`, by the averaged generators.

        Args:
            images: float32 [B C H W] in 0..1.
            goal: the domain.
            seed: of the noise; `noise_seed` where it is not given.

        Raises DataError where the images have another number of channels than the networks.
        """
        config = self._config
        first = config.noise_seed if seed is None else seed
        source = self._read(images)
        if config.sampler == "one-shot":
            return to_images(self._averages[f"translator_{goal}"](source))
        seeds = range(first, first + config.samples)
        drawn = [self._diffuse(source, goal, one) for one in seeds]
        return torch.stack([to_images(one) for one in drawn]).mean(0)

    def _diffuse(self, source: Tensor, goal: Name, seed: int) -> Tensor:
        """One translation; all images of the batch get the same noise."""
        random = torch.Generator().manual_seed(seed)
        denoiser = self._averages[f"denoiser_{goal}"]

        def noise(*shape: int) -> Tensor:
            return torch.randn(1, *shape, generator=random).to(source.device)

        def predict(noisy: Tensor, steps: Tensor) -> Tensor:
            latent = noise(self._config.latent).expand(len(source), -1)
            return denoiser(noisy, source, steps, latent)

        return self._diffusion.walk_back(
            predict, lambda: noise(*source.shape[1:]).expand_as(source)
        )

    def step(self, batch: Pair) -> Losses:
        """One update of all eight networks; gives the losses.

        Raises DataError where the images have another number of channels than the networks.
        """
        real: Pictures = {
            "l": self._read(batch.source.images),
            "u": self._read(batch.target.images),
        }
        made = self.translations(real)
        constant = {name: image.detach() for name, image in made.items()}
        return self._train_critics(real, constant) | self._train_generators(real, made)

    def _train_critics(self, real: Pictures, made: Pictures) -> dict[str, Tensor]:
        penalised = self._critics.count % self._config.r1_every == 0
        losses, patch_losses, penalties = [], [], []
        for name, own in self._players.items():
            noised = self._diffusion.noised(real[name])
            with torch.no_grad():
                _, recovered = self._recover(name, noised, made[OTHER[name]])
            losses.append(
                called_real(own.critic(noised.now, noised.later, noised.steps))
                + called_made(own.critic(recovered, noised.later, noised.steps))
            )
            if penalised:
                penalties.append(self._penalty(own, noised))
            patch_losses.append(
                called_real(own.patch_critic(real[name]))
                + called_made(own.patch_critic(made[name]))
            )
        critic, patch_critic = torch.stack(losses).sum(), torch.stack(patch_losses).sum()
        self._critics.update(critic + sum(penalties))
        self._patch_critics.update(patch_critic)
        return {"critic": critic.detach(), "patch_critic": patch_critic.detach()}

    def _penalty(self, own: Players, noised: Noised) -> Tensor:
        critic = partial(own.critic, later=noised.later, steps=noised.steps)
        return gradient_penalty(critic, noised.now, self._config.r1)

    def _train_generators(self, real: Pictures, made: Pictures) -> dict[str, Tensor]:
        terms = self.generator_terms(real, made)
        self._generators.update(terms.total(self._config.l1_weight))
        self._follow()
        return {
            "cycle": terms.cycle.detach(),
            "recover": terms.recover.detach(),
            "fool": terms.fool.detach(),
            "fool_patches": terms.fool_patches.detach(),
        }

    def generator_terms(self, real: Pictures, made: Pictures) -> GeneratorTerms:
        """What all generators together are told of a batch and its translations, with fresh noise.

        The guides are not detached: what the denoisers make of them trains the translators too.
        """
        one, other = (self._terms(name, real, made) for name in OTHER)
        return one + other

    def _terms(self, name: Name, real: Pictures, made: Pictures) -> GeneratorTerms:
        own, guide = self._players[name], made[OTHER[name]]
        noised = self._diffusion.noised(real[name])
        predicted, recovered = self._recover(name, noised, guide)
        return GeneratorTerms(
            cycle=mean_difference(own.translator(guide), real[name]),
            recover=mean_difference(predicted, real[name]),
            fool=called_real(own.critic(recovered, noised.later, noised.steps)),
            fool_patches=called_real(own.patch_critic(made[name])),
        )

    def translations(self, real: Pictures) -> Pictures:
        """By domain, the other domain's images in its look, in one pass."""
        return {name: own.translator(real[OTHER[name]]) for name, own in self._players.items()}

    def _recover(self, name: Name, noised: Noised, guide: Tensor) -> tuple[Tensor, Tensor]:
        """The predicted clean image, and a draw of x_t that follows from it."""
        latent = torch.randn(len(guide), self._config.latent, device=guide.device)
        predicted = self._players[name].denoiser(noised.later, guide, noised.steps, latent)
        noise = torch.randn_like(predicted)
        return predicted, self._diffusion.step_back(predicted, noised.later, noised.steps, noise)

    def _follow(self) -> None:
        first = self._generators.count == 1
        for name, own in self._players.items():
            for kind in AVERAGED:
                follow(self._averages[f"{kind}_{name}"], getattr(own, kind), first=first)

    def _read(self, images: Images) -> Tensor:
        if images.shape[1] != self._config.channels:
            raise DataError(
                "the images do not have the channels that the networks are made for",
                expected=f"{self._config.channels} ({_colour(self._config.channels)})",
                found=f"{images.shape[1]} ({_colour(images.shape[1])})",
                hint="train with --channels 3 for RGB images, with --channels 1 for grey ones",
            )
        return to_pictures(images)


def follow(average: Ema, network: nn.Module, *, first: bool) -> None:
    """Moves an average; the `first` time it becomes the network, as in the authors' code."""
    if first:
        average.module.load_state_dict(network.state_dict())
    else:
        average.update(network)


def to_pictures(images: Images) -> Tensor:
    """From 0..1 to -1..1."""
    return images * 2 - 1


def to_images(pictures: Tensor) -> Images:
    """From -1..1 to 0..1; what lies beyond is cut off."""
    return ((pictures + 1) / 2).clamp(0, 1)


def _colour(channels: int) -> str:
    return {1: "grey", 3: "RGB"}.get(channels, "neither grey nor RGB")
