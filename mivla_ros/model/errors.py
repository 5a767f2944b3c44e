"""What the model may object to; every message names the file, key or value and what it should be."""


class ModelError(ValueError):
    """Root of everything that can be wrong with a network, its files or its inputs. ``subject`` is the key at fault."""

    def __init__(self, message: str, subject: str = "") -> None:
        super().__init__(message)
        self.subject = subject


class ConfigError(ModelError):
    """A network configuration that cannot be read or built."""


class EncoderError(ModelError):
    """Weights of a vision or language encoder that are not there or are of another network."""


class CheckpointError(ModelError):
    """A checkpoint folder that cannot be used: missing, truncated, changed, or not of this network."""


class ContractError(CheckpointError):
    """A checkpoint that is sound but made for another robot than the one it shall drive.

    ``mismatches``: one (key, expected by the checkpoint, found in the robot profile) for each difference.
    """

    def __init__(self, message: str, mismatches: tuple[tuple[str, str, str], ...]) -> None:
        super().__init__(message, mismatches[0][0] if mismatches else "")
        self.mismatches = mismatches
