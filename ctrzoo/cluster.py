"""The hosts that train together, as flags, TF_CONFIG or a scheduler name them: the same for both backends."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

# Variables in which Slurm, and an Indexed Job of Kubernetes, say the number of a process.
INDEX_VARIABLES = ("SLURM_PROCID", "JOB_COMPLETION_INDEX")


def name_hosts(hosts: str | None, index: int | None = None, environment: Mapping[str, str] | None = None) -> None:
    """Write the hosts of a run into TF_CONFIG, from where both backends take them.

    Args:
        hosts: Addresses with ports, by commas, the same on all hosts: `"a:12345,b:12345"`. None leaves TF_CONFIG as it
            is.
        index: The number of this host in the list, from 0; by default that of Slurm or Kubernetes.
        environment: The environment variables, by default those of this process.

    Raises:
        ValueError: If an address has no port, or the index is missing or outside the list.
    """
    environment = os.environ if environment is None else environment
    if hosts is None:
        if index is not None:
            raise ValueError("`host_index` is the number of this host in `hosts`. Set hosts too, or leave it out.")
        return
    addresses = [address.strip() for address in hosts.split(",")]
    for address in addresses:
        name, _, port = address.rpartition(":")
        if not name or not port.isdecimal():
            raise ValueError(f"`hosts` are addresses with ports, such as a:12345,b:12345. Received: {address!r}.")
    if len(set(addresses)) < len(addresses):
        raise ValueError(f"`hosts` must differ from each other. Received: {hosts}.")
    if index is None:
        found = next((environment[name] for name in INDEX_VARIABLES if name in environment), None)
        if found is None:
            raise ValueError(
                f"Each of the {len(addresses)} hosts needs its number. Pass --host_index=0 on the first one, "
                "--host_index=1 on the second, and so on."
            )
        index = int(found)
    if not 0 <= index < len(addresses):
        raise ValueError(f"`host_index` must be from 0 to {len(addresses) - 1}, as in `hosts`. Received: {index}.")
    task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    os.environ["TF_CONFIG"] = json.dumps(task)


def named_hosts() -> tuple[list[str], int] | None:
    """Return the addresses of all hosts and the number of this one, as TF_CONFIG says; None without it.

    Raises:
        ValueError: If TF_CONFIG does not say it.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        return None
    try:
        content = json.loads(text)
        cluster, task = content.get("cluster", {}), content.get("task", {})
        chiefs, workers = cluster.get("chief", []), cluster.get("worker", [])
        index = int(task["index"]) + (len(chiefs) if task["type"] == "worker" else 0) if cluster else 0
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"TF_CONFIG does not name the hosts ({error!r}). Unset it and pass --hosts and --host_index."
        ) from None
    return ([*chiefs, *workers], index) if cluster else None
