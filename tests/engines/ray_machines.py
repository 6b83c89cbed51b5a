"""The machines of a Ray cluster, as one program that does what is said on its input.

`lose` takes a machine away, `add` gives one, `clear` kills all of Winnow's actors.

Ray binds the host's address, whatever it is told; this program is run in a network of its own, in which only loopback
is up (see ray_cluster.py).
"""

import fcntl
import socket
import struct
import sys

GPUS_A_MACHINE = 2
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1  # linux/sockios.h, linux/if.h


def bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def main() -> None:
    bring_up_loopback()
    import ray
    from ray.cluster_utils import Cluster

    from winnow.search.launch.engines.ray_actor import NAMESPACE

    machine = {
        "num_cpus": GPUS_A_MACHINE,
        "num_gpus": GPUS_A_MACHINE,
        "object_store_memory": 80 * 2**20,
        "node_ip_address": "127.0.0.1",
    }
    cluster = Cluster(initialize_head=True, head_node_args={**machine, "include_dashboard": False})
    others = [cluster.add_node(**machine)]
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() == "lose":
            cluster.remove_node(others.pop(), allow_graceful=False)
        elif line.strip() == "clear":
            with ray.init(address=cluster.address, namespace=NAMESPACE, log_to_driver=False):
                for name in ray.util.list_named_actors():
                    ray.kill(ray.get_actor(name), no_restart=True)
        else:
            others.append(cluster.add_node(**machine))
        print("done", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
