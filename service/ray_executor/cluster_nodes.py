"""What the nodes of a Ray cluster have, from a process that does not join it.

Ray's own client waits up to a minute for a cluster that hangs, and may end its process. So a process of its own asks,
for a few seconds: `python -m goodfit.service.ray_executor.cluster_nodes HOST:PORT` prints one JSON list.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

from goodfit.service.errors import ClusterLost
from goodfit.service.ray_executor.ray_words import Resources, from_ray
from goodfit.trainers.environment import SERVICE, take

ANSWER_SECONDS = 10.0  # importing Ray included: 1 s, some more on a busy machine


def ask_nodes(address: str, seconds: float = ANSWER_SECONDS) -> list[Resources]:
    """What each node of a cluster has in all: cpus, gpus and custom resources.

    Args:
        address: as in RAY_ADDRESS.
        seconds: that this may take.

    Raises:
        ClusterLost: nobody answers there in time.
    """
    environment = dict(os.environ)
    take(environment, SERVICE)
    command = [sys.executable, "-P", "-m", "goodfit.service.ray_executor.cluster_nodes", address]
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            command, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
        nodes: list[Resources] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise ClusterLost(f"the Ray cluster at {address} does not answer within {seconds:g} s") from None
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise ClusterLost(f"the Ray cluster at {address} does not answer: {last}") from None
    return nodes


def _main(address: str) -> None:
    from goodfit.service.ray_executor.cluster import require_listener

    try:
        require_listener(address)
    except OSError as error:
        sys.exit(str(error))
    import ray

    if "://" in address:  # Ray Client has no call for this but on a connection
        ray.init(address, logging_level=logging.ERROR)
        nodes = [from_ray(node["Resources"]) for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    else:
        from ray._private.services import canonicalize_bootstrap_address_or_die
        from ray._raylet import GcsClient  # type: ignore[attr-defined]
        from ray.core.generated.gcs_pb2 import GcsNodeInfo  # type: ignore[attr-defined]

        gcs = GcsClient(address=canonicalize_bootstrap_address_or_die(address))
        found = gcs.get_all_node_info(timeout=ANSWER_SECONDS, state_filter=GcsNodeInfo.GcsNodeState.ALIVE)
        nodes = [from_ray(node.resources_total) for node in found.values()]
    print(json.dumps(nodes), flush=True)
    os._exit(0)  # Ray's threads are not waited for


if __name__ == "__main__":
    _main(sys.argv[1])
