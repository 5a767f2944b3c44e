"""One forward pass of training, as one module, so that data-parallel wrappers see all of it."""

import torch
from torch import Tensor, nn

from mivla_ros.model.flow import noisy_actions, sample_actions, target_velocity
from mivla_ros.model.network import Conditions, MivlaNetwork
from mivla_ros.model.objective import Loss, mutual_imitation_loss
from mivla_ros.training.batches import Batch


class Imitator(nn.Module):
    """The network from pixels, words and state to velocities."""

    def __init__(self, network: MivlaNetwork) -> None:
        super().__init__()
        self.network = network
        self._words: dict[str, tuple[Tensor, Tensor]] = {}

    def forward(self, batch: Batch) -> Tensor:
        """Velocities (B, H, D)."""
        noisy = noisy_actions(batch.actions, batch.noise, batch.time)
        return self.network(noisy, batch.mask, batch.time, self._conditions(batch))

    @torch.no_grad()
    def sample(self, batch: Batch) -> Tensor:
        """Normalised actions (B, H, D) that the network's flow makes of the batch's noise."""
        return sample_actions(self.network, self.network.memory(self._conditions(batch)), batch.mask, batch.noise)

    def _conditions(self, batch: Batch) -> Conditions:
        network = self.network
        language, language_mask = self._language(batch.texts)
        return Conditions(
            state=batch.state,
            state_mask=batch.state_mask,
            images=network.image_features(batch.pixels, None if bool(batch.seen.all()) else batch.seen),
            image_mask=batch.seen,
            language=language,
            language_mask=language_mask,
        )

    def _language(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Each different text is encoded once a batch, or once at all where the encoder is frozen."""
        network, different = self.network, sorted(set(texts))
        places = torch.tensor([different.index(text) for text in texts], device=network.device)
        if not network.config.language.frozen:
            ids, mask = network.tokenise(different)
            return network.language_features(ids, mask)[places], mask[places]
        for text in different:
            if text not in self._words:
                ids, mask = network.tokenise([text])
                self._words[text] = network.language_features(ids, mask)[0], mask[0]
        features = nn.utils.rnn.pad_sequence([self._words[text][0] for text in different], batch_first=True)
        masks = nn.utils.rnn.pad_sequence([self._words[text][1] for text in different], batch_first=True)
        return features[places], masks[places]


def loss_of(predicted: Tensor, batch: Batch, start: int, counts: dict[str, Tensor] | None = None) -> Loss:
    """Eq. 7 of a batch; counts: of the whole batch where this is one process's share."""
    target = target_velocity(batch.actions, batch.noise)
    loss = mutual_imitation_loss(predicted, target, batch.mask, batch.from_human, start=start, counts=counts)
    return Loss(loss.total + 0.0 * predicted.sum(), loss.terms)  # a share without any target still has a gradient
