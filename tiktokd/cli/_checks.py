"""What `tiktokctl doctor` looks at: one function per matter, facts in, `Check` out. Changes nothing."""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from tiktokd import datafiles, nvidia, settings_check
from tiktokd.cli._checks_packages import Check, package_checks
from tiktokd.cli._format import size
from tiktokd.cli._overview import standing
from tiktokd.cli._session import settings, socket_path
from tiktokd.client import Client, Refused, Unreachable
from tiktokd.config import Config, InvalidSettings
from tiktokd.errors import ConfigError, LocalError
from tiktokd.paths import SOCKET_PATH_MAX_BYTES, at_home
from tiktokd.protocol import StatusAnswer

FREE_RATIO = 0.1
"""The daemon stops downloading below this share of free disk (DESIGN 3)."""


def all_checks(*, config_file: str | None, socket_option: str | None) -> list[Check]:
    """Return every finding, in the order in which people should read them."""
    found = package_checks()
    try:
        config = settings(socket_option, config_file)
    except InvalidSettings as exc:
        every = str(settings_check.with_the_rest(exc))
        return [*found, Check("configuration", "fail", every, "correct it; everything else depends on it")]
    except ConfigError as exc:
        return [*found, Check("configuration", "fail", str(exc), "correct it; everything else depends on it")]
    found.append(configuration(config))
    found += [*directories(config), disk(config), *cookies(config), *data_files(config), gpu(config)]
    found += daemon(socket_path(socket_option, config_file))
    known = any(check.name in ("analyzers", "models") for check in found)
    return found if known else [*found, *analyzers_and_models(config)]


def configuration(config: Config) -> Check:
    """Check the settings as the daemon does before it starts."""
    try:
        settings_check.check(config, data_files=not datafiles.unreadable(config.data_dir))
    except ConfigError as exc:
        return Check("configuration", "fail", str(exc), "correct it: the daemon does not start with this")
    return Check("configuration", "ok", "no problems")


def directories(config: Config) -> Iterator[Check]:
    """Check that the daemon's directories can be written by this user."""
    for name, path in (("state_dir", config.state_dir), ("log_dir", config.log_dir)):
        there = _existing(path)
        if os.access(there, os.W_OK | os.X_OK):
            yield Check(name, "ok", f"{path}{'' if there == path else ' (will be made)'}")
        else:
            advice = f"set daemon.{name}, or run as the user of the daemon (this is fine for other users)"
            yield Check(name, "warn", f"{path}: this user cannot write to {there}", advice)
    length = len(bytes(config.socket_path))
    if length > SOCKET_PATH_MAX_BYTES:
        found = f"{config.socket_path} has {length} bytes, Unix allows {SOCKET_PATH_MAX_BYTES}"
        yield Check("socket path", "fail", found, "set daemon.runtime_dir to a shorter directory")


def disk(config: Config) -> Check:
    """Check the room for the spool."""
    usage = shutil.disk_usage(_existing(config.state_dir))
    ratio = usage.free / usage.total
    spool = f"the spool may take {config.download.spool_gib:g} GiB"
    text = f"{size(usage.free)} free of {size(usage.total)} ({ratio:.0%}); {spool}"
    if ratio < FREE_RATIO:
        return Check("disk", "fail", text, "downloads stop below 10 %: free some room, or `tiktokctl cleanup --days 1`")
    if usage.free < config.download.spool_gib * 2**30:
        return Check("disk", "warn", text, "lower download.spool_gib, or free some room")
    return Check("disk", "ok", text)


def cookies(config: Config) -> Iterator[Check]:
    """Check the cookie file, where one is configured: it is as good as a password."""
    if not config.download.cookies_file:
        return
    file = at_home(config.download.cookies_file)
    if not os.access(file, os.R_OK):
        yield Check("cookies", "fail", f"cannot read {file}", "correct download.cookies_file")
    elif file.stat().st_mode & 0o077:
        yield Check("cookies", "warn", f"others can read {file}", f"chmod 600 {file}")
    else:
        yield Check("cookies", "ok", str(file))


def data_files(config: Config) -> Iterator[Check]:
    """Check for files in the user's data directory that nothing reads; what cannot be read is a matter of settings."""
    if closed := datafiles.unreadable(config.data_dir):
        advice = "run as the user of the daemon (this is fine for other users)"
        yield Check("data files", "warn", f"this user cannot look into {closed}", advice)
        return
    for problem in datafiles.unread(config.data_dir):
        yield Check("data files", "warn", problem, "rename it; a file replaces the shipped one of the same name")


def gpu(config: Config) -> Check:
    """Check the GPUs that NVML sees against those that the configuration wants."""
    needs_cuda = any(name.startswith("cuda") for name in config.gpu.devices)
    try:
        names, version = nvidia.driver()
    except LocalError as exc:
        if needs_cuda:
            advice = "install the NVIDIA driver, or set gpu.devices"
            return Check("gpu", "fail", f"gpu.devices wants {', '.join(config.gpu.devices)}: {exc}", advice)
        return Check("gpu", "ok", f"no NVIDIA GPU ({exc}); lightweight analyses run on the CPU")
    return Check("gpu", "ok" if names else "warn", f"{', '.join(names) or 'none'}; driver {version}")


def daemon(socket: Path) -> Iterator[Check]:
    """Check that the daemon answers, and what it says about itself."""
    client = Client(socket, timeout_s=10.0)
    try:
        status, analyzers = client.status(), client.analyzers()
    except Unreachable as exc:
        yield Check("daemon", "warn", str(exc))
        return
    except Refused as exc:
        yield Check("daemon", "fail", f"{socket}: {exc}", "see `tiktokctl logs tiktokd`")
        return
    yield Check("daemon", "ok", f"tiktokd {status.version}, pid {status.pid}, at {socket}")
    yield from _in_the_way(status)
    on = [str(each["name"]) for each in analyzers if each["enabled"]]
    if analyzers:
        yield switched_on(on, len(analyzers))
    analyzers = [each for each in analyzers if each["enabled"]]
    less = [each for each in analyzers if each["tier"] != "full"]
    if less:
        found = f"{len(less)} of {len(analyzers)} analyzers do less than they could: " + ", ".join(
            str(each["name"]) for each in less
        )
        yield Check("models", "warn", found, "`tiktokctl analyzers` says what each of them lacks")
    elif analyzers:
        yield Check("models", "ok", f"{len(analyzers)} analyzers, all of them full")


def switched_on(on: Sequence[str], count: int) -> Check:
    """Say which analyzers run for every video, and which do not."""
    if len(on) == count:
        return Check("analyzers", "ok", f"all {count} are on")
    found = f"{len(on)} of {count} on (analysis.analyzers, and those that they read): {', '.join(on)}"
    return Check("analyzers", "ok", found)


def analyzers_and_models(config: Config) -> Iterator[Check]:
    """Check which analyzers are on and which of their models are here, where no daemon can say it."""
    from tiktokd import graph, models, selection

    catalogue = graph.load()
    try:
        on = graph.with_read(selection.expand(config.analysis.analyzers), catalogue)
        wanted = models.wanted(config)
    except ConfigError as exc:
        yield Check("models", "warn", str(exc))
        return
    yield switched_on(sorted(on), len(catalogue.analyzers))
    due = [m for m in wanted if not m.left_out and not m.weights.by_hand and set(on) & set(m.analyzers)]
    missing = [m.weights.hub_id for m in due if m.path is None]
    torn = [m.weights.hub_id for m in due if m.damaged]
    if not missing:
        here = f"all {len(due)} that these analyzers use are in {config.models_dir}" if due else "these need none"
        yield Check("models", "ok", here)
        return
    found = f"{len(missing)} of {len(due)} are not on this machine: {', '.join(missing)}"
    found += f" (damaged: {', '.join(torn)})" if torn else ""
    names = "all" if len(on) == len(catalogue.analyzers) else " ".join(missing)
    yield Check(
        "models", "warn", found, f"analyzers do less without; tiktokctl models list, tiktokctl models pull {names}"
    )


def _in_the_way(status: StatusAnswer) -> Iterator[Check]:
    for lane in status.lanes:
        if lane.paused or lane.reason:
            advice = f"tiktokctl resume {lane.lane}" if lane.paused else ""
            yield Check(lane.lane, "warn", standing(lane), advice)
    for worker in status.workers:
        if worker.state == "out_of_service":
            yield Check(
                worker.name, "fail", "has died too often and is out of service", f"tiktokctl logs {worker.name}"
            )


def _existing(path: Path) -> Path:
    """Return the path itself or its nearest parent that this user can see."""
    return next(each for each in (path, *path.parents) if os.access(each, os.F_OK))
