"""What the configuration of an account says."""

import re
from dataclasses import dataclass
from typing import Final

import pulumi

__all__ = ["KEYS", "BootstrapError", "BootstrapSettings", "load"]

_STAGES: Final = ("dev", "staging", "prod")
KEYS: Final = frozenset(
    {"stages", "githubSubject", "githubRepositoryId", "githubProvider", "registry", "pullers", "domain"}
)
"""Every key there is. `Pulumi.yaml` says what each means."""


class BootstrapError(pulumi.RunError):
    """The configuration cannot be: the message has a line for each thing that is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapSettings:
    """An account as it is to be. The fields are the keys of ``infra/bootstrap/Pulumi.yaml``."""

    stages: tuple[str, ...] = _STAGES
    github_subject: str = ""
    github_repository_id: str = ""
    github_provider: bool = True
    registry: bool = True
    pullers: tuple[str, ...] = ()
    domain: str = ""


def load(config: pulumi.Config) -> BootstrapSettings:
    """The settings of an account.

    Raises:
        BootstrapError: values that cannot be.
    """
    provider, registry = config.get_bool("githubProvider"), config.get_bool("registry")
    settings = BootstrapSettings(
        stages=tuple(config.get_object("stages") or _STAGES),
        github_subject=config.get("githubSubject") or "",
        github_repository_id=config.get("githubRepositoryId") or "",
        github_provider=True if provider is None else provider,
        registry=True if registry is None else registry,
        pullers=tuple(config.get_object("pullers") or ()),
        domain=config.get("domain") or "",
    )
    wrong = _problems(settings)
    if wrong:
        lines = "\n".join(f"  depthcast-bootstrap:{line}" for line in wrong)
        raise BootstrapError(f"the configuration of the account cannot be:\n{lines}")
    return settings


def _problems(settings: BootstrapSettings) -> list[str]:
    wrong = []
    if not settings.stages or not set(settings.stages) <= set(_STAGES):
        wrong.append(f"stages: {list(settings.stages)}; some of {', '.join(_STAGES)}")
    if settings.github_subject:
        if not re.fullmatch(r"repo:[\w.-]+(@\d+)?/[\w.-]+(@\d+)?", settings.github_subject):
            wrong.append(
                f"githubSubject: {settings.github_subject!r}; repo:OWNER/NAME or repo:OWNER@123/NAME@456, "
                "without stars: `make preflight` says which"
            )
        if not settings.github_repository_id.isdigit():
            wrong.append(f"githubRepositoryId: {settings.github_repository_id!r}; a number")
    elif settings.github_repository_id:
        wrong.append("githubSubject: there is a number of the repository, but no subject")
    wrong += [
        f"pullers: {each!r} is no account of 12 digits"
        for each in settings.pullers
        if not re.fullmatch(r"\d{12}", each)
    ]
    if settings.pullers and not settings.registry:
        wrong.append("pullers: there is no registry here that they could take images from")
    return wrong
