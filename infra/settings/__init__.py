"""What a stack's configuration says, read once into a frozen dataclass."""

from infra.settings.load import SettingsError, load
from infra.settings.model import Settings

__all__ = ["Settings", "SettingsError", "load"]
