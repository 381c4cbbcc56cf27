"""The executor on Ray: cluster.py is the cluster, capacity.py how many workers it has room for, pool.py the workers.

ray_words.py maps Goodfit's words for resources to Ray's. cluster_nodes.py tells a process that joins no cluster what
the nodes of one have. Together with ray_runners.py the only place that knows Ray.
"""

from goodfit.service.ray_executor.capacity import WorkerResources
from goodfit.service.ray_executor.cluster import Cluster
from goodfit.service.ray_executor.pool import RayExecutor

__all__ = ["Cluster", "RayExecutor", "WorkerResources"]
