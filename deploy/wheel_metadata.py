"""Hatchling's metadata hook: the wheel depends on what deploy/requirements.in lists, and on nothing else."""

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RequirementsHook(MetadataHookInterface):
    """Copies each requirement line into the project's dependencies."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set ``dependencies``; lines that are empty, comments or options are passed over."""
        lines = Path(self.root, "deploy", "requirements.in").read_text(encoding="utf-8").splitlines()
        names = [line.split("#")[0].strip() for line in lines]
        metadata["dependencies"] = [name for name in names if name and not name.startswith("-")]
