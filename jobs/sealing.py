"""Sealing on the schedule: every so often, where a key is set, and what goes wrong with it in the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from proof.seal import seal
from schemas.errors import CounterfoilError

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.settings import Settings

log = logging.getLogger(__name__)


class Sealer:
    """Seals the lake when it is due. A lake or key at fault stops no detection."""

    def __init__(self, settings: Settings) -> None:
        """The first call seals."""
        self._settings = settings
        self._sealed: datetime | None = None

    def __call__(self, now: datetime) -> None:
        """Seal, if the last time is integrity.seal_every ago."""
        integrity = self._settings.integrity
        if integrity.key_file is None or (
            self._sealed is not None and now - self._sealed < integrity.seal_every
        ):
            return
        self._sealed = now
        try:
            done = seal(self._settings, now=now)
        except CounterfoilError as error:
            log.error("sealing failed, and is tried again: %s", error)  # noqa: TRY400 - our errors are one line
            return
        for reason, count in done.left.items():
            log.error("%d rows are not sealed: %s; counterfoil verify names them", count, reason)
