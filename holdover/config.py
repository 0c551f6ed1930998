"""Loads `config/`: all of it, whole, into one immutable value, or every problem with file, line and key."""

import difflib
import hashlib
import os
import ssl
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from holdover.credential import MIN_CREDENTIAL
from holdover.lines import Finding, KeyPath, line_of
from holdover.profile_names import UNKNOWN_NAME
from holdover.provider_settings import ProviderSettings
from holdover.rules import Routed, Rules, Secret, compile_provider
from holdover.scrutiny import contradictions, doubts
from holdover.settings import Settings

SOCKET_PATH_LIMIT = 104
"""Bytes that every Unix allows for the path of a socket (sun_path: 108 on Linux, 104 on the BSDs)."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong: `file` and 1-based `line` (0 when it is about no line), `key` as dotted path, what to do."""

    file: str
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.text}" if self.key else f"{place}: {self.text}"


class ConfigError(Exception):
    """The configuration cannot be used; `problems` has every reason."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Config:
    """A loaded configuration. `folder` is absolute; `digest` names the content (64 hex digits); `warnings` are what
    can be used as it stands and is most likely a mistake."""

    folder: Path
    settings: Settings
    rules: Rules
    digest: str
    warnings: tuple[Problem, ...] = ()

    def path(self, setting: str) -> Path:
        """A path setting, resolved against the configuration folder."""
        return _resolved(self.folder, setting)

    @property
    def store_folder(self) -> Path:
        return self.path(self.settings.store.folder)

    @property
    def socket(self) -> Path:
        return self.path(self.settings.sidecar.socket)

    @property
    def ca_folder(self) -> Path:
        return self.path(self.settings.proxy.ca_folder)

    @property
    def certificates(self) -> tuple[Path, ...]:
        """Of the operator's own."""
        return tuple(map(self.path, self.settings.proxy.certificates))

    @property
    def ca_file(self) -> Path | None:
        return self.path(name) if (name := self.settings.upstream.ca_file) else None


def files(folder: Path) -> list[Path]:
    """The files that make up a configuration: holdover.toml and providers/*.toml."""
    return [folder / "holdover.toml", *sorted((folder / "providers").glob("[!.]*.toml"))]


def digest(folder: Path) -> str:
    """Names the content of a configuration, secrets in files not included; a file that cannot be read counts as
    empty."""
    total = hashlib.sha256()
    for path in files(folder):
        try:
            content = path.read_bytes()
        except OSError:
            content = b""
        total.update(f"{path.name}:{len(content)}:".encode() + content)
    return total.hexdigest()


def load_without_providers(folder: Path) -> Config:
    """For what asks nothing of them: it works without their credentials, and while their files are broken. Raises
    ConfigError."""
    folder = folder.absolute()
    problems: list[Problem] = []
    path = folder / "holdover.toml"
    if not path.is_file():
        raise ConfigError([Problem(str(folder), 0, "", "no holdover.toml here; name the folder that has one")])
    settings = _read(path, Settings, problems)
    if problems or settings is None:
        raise ConfigError(problems)
    return Config(folder, settings, Rules(()), "")


def load(folder: Path, environ: Mapping[str, str]) -> Config:
    """The configuration in `folder`, with credentials from `environ` or their files.

    Raises ConfigError with every problem found, not only the first."""
    folder = folder.absolute()
    if not (folder / "holdover.toml").is_file():
        raise ConfigError([Problem(str(folder), 0, "", "no holdover.toml here; name the folder that has one")])
    content = digest(folder)
    problems: list[Problem] = []
    settings_path, *provider_paths = files(folder)
    settings = _read(settings_path, Settings, problems)
    if not provider_paths:
        problems.append(Problem(str(folder / "providers"), 0, "", "no provider here; add a file NAME.toml"))
    documents = {path: _read(path, ProviderSettings, problems) for path in provider_paths}
    providers = {path: document for path, document in documents.items() if document is not None}
    problems.extend(_conflicts(providers))
    problems.extend(_found(contradictions, providers))
    compiled = [
        compile_provider(document, _secrets(path, folder, document, environ, problems))
        for path, document in providers.items()
    ]
    if settings is not None:
        warnings = tuple(sorted(_found(doubts, providers)))
        config = Config(folder, settings, Rules(compiled), content, warnings)
        problems.extend(_path_problems(settings_path, config))
        problems.extend(_probe_problems(providers, config.rules))
        problems.extend(_address_problems(settings_path, settings))
    if problems or settings is None:
        raise ConfigError(problems)
    return config


def _found(
    looking: Callable[[ProviderSettings], Iterator[Finding]], providers: Mapping[Path, ProviderSettings]
) -> Iterator[Problem]:
    return (_problem(path, *finding) for path, provider in providers.items() for finding in looking(provider))


def _address_problems(path: Path, settings: Settings) -> Iterator[Problem]:
    """Addresses that two listeners would share."""
    proxy, taken = settings.proxy, set[str]()
    listeners: list[tuple[KeyPath, str]] = [(("proxy", "reverse"), address) for address in proxy.reverse]
    listeners += [(("proxy", "regular"), address) for address in proxy.regular]
    listeners += [(("proxy", "metrics"), proxy.metrics), (("sidecar", "admin"), settings.sidecar.admin)]
    for key, address in listeners:
        if address in taken:
            yield _problem(path, key, f"{address} is used twice; every listener needs its own")
        taken.add(address)


def _probe_problems(providers: Mapping[Path, ProviderSettings], rules: Rules) -> Iterator[Problem]:
    """Probes that no route answers for."""
    for path, provider in providers.items():
        probe = provider.quota.probe
        if probe is not None and not isinstance(rules.match(provider.hosts[0], probe), Routed):
            yield _problem(path, ("quota", "probe"), f"{probe!r} matches no route of {provider.name}; add one for it")


def _is_bundle(path: Path) -> bool:
    try:
        ssl.create_default_context(cafile=str(path))
    except OSError:
        return False
    return True


def _path_problems(path: Path, config: Config) -> Iterator[Problem]:
    """Paths that lead nowhere, and a socket's that is too long."""
    settings = config.settings
    for key, value in (
        (("proxy", "ca_folder"), settings.proxy.ca_folder),
        *((("proxy", "certificates"), name) for name in settings.proxy.certificates),
        (("store", "folder"), settings.store.folder),
        (("upstream", "ca_file"), settings.upstream.ca_file or ""),
        (("sidecar", "socket"), settings.sidecar.socket),
    ):
        try:
            resolved = config.path(value)
        except RuntimeError:
            yield _problem(path, key, f"there is no home of that name: {value}")
            continue
        if key[1] == "ca_file" and value and not _is_bundle(resolved):
            yield _problem(path, key, f"{resolved} is no file with certificates in PEM form")
        if key[0] == "store" and "$" in value:
            yield _problem(path, key, "the cache library expands `$` in paths; choose one without")
        if key[1] == "socket" and len(os.fsencode(resolved)) > SOCKET_PATH_LIMIT:
            text = (
                f"the path {resolved} is longer than the {SOCKET_PATH_LIMIT} bytes a Unix socket allows; shorten it"
            )
            yield _problem(path, key, text)


def _read[T: BaseModel](path: Path, model: type[T], problems: list[Problem]) -> T | None:
    try:
        text = path.read_text(encoding="utf-8")
        return model.model_validate(tomllib.loads(text))
    except ValidationError as error:
        problems.extend(_explain(path, text, model, detail) for detail in error.errors(include_url=False))
    except tomllib.TOMLDecodeError as error:
        problems.append(Problem(str(path), _line_in(str(error)), "", f"not valid TOML: {error}"))
    except UnicodeDecodeError:
        problems.append(Problem(str(path), 0, "", "not UTF-8; save it in that encoding"))
    except RecursionError:
        problems.append(Problem(str(path), 0, "", "nested too deeply; write it flat"))
    except OSError as error:
        problems.append(Problem(str(path), 0, "", f"cannot be read: {error.strerror}"))
    return None


def _resolved(folder: Path, setting: str) -> Path:
    """Raises RuntimeError for the home (`~name`) of somebody who does not exist."""
    return Path(os.path.normpath(folder / Path(setting).expanduser()))


def _line_in(message: str) -> int:
    """`tomllib` gives the place only inside the sentence: "... (at line 3, column 5)"."""
    _, _, rest = message.partition("at line ")
    digits = rest.partition(",")[0]
    return int(digits) if digits.isdigit() else 0


def _explain(path: Path, text: str, model: type[BaseModel], detail: ErrorDetails) -> Problem:
    loc: KeyPath = detail["loc"]
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if detail["type"] == "extra_forbidden":
        message = "unknown key; " + (_meant(loc[-1], _keys_at(model, loc[:-1])) or "remove it")
    elif detail["type"] == UNKNOWN_NAME:
        message = "; ".join(filter(None, (message, _meant(detail["input"], detail["ctx"]["known"]))))
    elif detail["type"] == "missing":
        message = f"is missing; add `{loc[-1]} = ...`"
    elif detail["type"] == "string_pattern_mismatch":
        message = f"has a character or form that is not allowed here (pattern {detail['ctx']['pattern']})"
    return Problem(str(path), line_of(text, loc), _dotted(loc), message)


def _meant(written: object, known: list[str]) -> str:
    """ "" where nothing is near."""
    near = difflib.get_close_matches(str(written), known, n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def _keys_at(model: type[BaseModel], loc: KeyPath) -> list[str]:
    """The keys that the table at `loc` may have."""
    current: Any = model
    for part in loc:
        # Other text is the name of a table in a table of them: [classes.NAME].
        if isinstance(part, str) and part in current.model_fields:
            annotation: Any = current.model_fields[part].annotation
            options = [annotation, *getattr(annotation, "__args__", ())]
            current = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
        if current is None:
            return []
    return list(current.model_fields)


def _dotted(loc: KeyPath) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")


def _problem(path: Path, key: KeyPath, text: str) -> Problem:
    return Problem(str(path), line_of(path.read_text(encoding="utf-8"), key), _dotted(key), text)


def _conflicts(providers: Mapping[Path, ProviderSettings]) -> Iterator[Problem]:
    """Names and hosts that two providers claim."""
    owners: dict[str, Path] = {}
    for path, provider in providers.items():
        for key, value in (("name", provider.name), *(("hosts", host) for host in provider.hosts)):
            owner = owners.setdefault(f"{key} {value}", path)
            if owner is not path:
                yield _problem(path, (key,), f"{value!r} is taken by {owner.name}; each belongs to one provider")


def _secrets(
    path: Path, folder: Path, provider: ProviderSettings, environ: Mapping[str, str], problems: list[Problem]
) -> dict[str, Secret]:
    """holdover's credentials of one provider by the class of clients."""
    named: dict[str, tuple[KeyPath, str | None, str | None]] = {}
    if provider.credential is not None and not provider.credential.borrow and provider.clients != "own":
        named[""] = ("credential",), provider.credential.env, provider.credential.file
    for name, plan in provider.classes.items():
        named[name] = ("classes", name), plan.env, plan.file
    secrets: dict[str, Secret] = {}
    for name, (place, env, file) in named.items():
        if env is not None:
            value, remedy = environ.get(env, ""), f"export {env}=... before starting holdover"
        else:
            source, value = file or "", ""
            with suppress(OSError, ValueError, RuntimeError):
                source = str(_resolved(folder, source))
                value = Path(source).read_text(encoding="utf-8", errors="replace").strip()
            remedy = f"write the credential into {source}"
        # A short one would be found by chance in odds, where holdover blanks it (see holdover.coding.without).
        if not value.isprintable() or not value.isascii() or len(value) < MIN_CREDENTIAL:
            text = f"the credential is missing, shorter than {MIN_CREDENTIAL} characters or not plain text; {remedy}"
            problems.append(_problem(path, (*place, "env" if env is not None else "file"), text))
        else:
            secrets[name] = Secret(value)
    return secrets
