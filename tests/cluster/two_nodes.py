"""A Ray cluster of two nodes on this machine, each with one CPU: ends with its standard input.

Prints its address; each line of its input that says `kill` ends the second node as a crash would, and starts another.
"""

from __future__ import annotations

import os
import sys


def main(folder: str) -> None:
    os.environ["RAY_TMPDIR"] = folder  # not /tmp/ray, where this cluster would become the one of the machine
    from ray.cluster_utils import Cluster

    settings = {"worker_niceness": 0}  # as -j has it; with Ray's 15 nothing is trained while the machine is busy
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": settings}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        second = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        print(cluster.address, flush=True)
        for _ in sys.stdin:
            cluster.remove_node(second, allow_graceful=False)
            second = cluster.add_node(num_cpus=1)
            print("killed", flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
