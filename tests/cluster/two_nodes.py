"""A Ray cluster of two nodes on this machine, each with one CPU: ends with its standard input.

Prints its address; each line of its input that says `kill` ends the second node as a crash would, and starts another.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

QUIET = {"include_dashboard": False, "num_cpus": 1}


def main(temp_dir: str) -> None:
    cluster = Cluster(initialize_head=True, head_node_args={**QUIET, "temp_dir": temp_dir})
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
