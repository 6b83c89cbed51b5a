"""A stand-in for the module that speaks with NVIDIA's driver: a GPU that is cut in two, and one that is whole."""

DRIVER = """
class NVMLError(Exception): pass
GPUS = [("GPU-aaa1", ["MIG-1111", "MIG-2222"]), ("GPU-bbb2", [])]
def nvmlInit(): pass
def nvmlShutdown(): pass
def nvmlDeviceGetCount(): return len(GPUS)
def nvmlDeviceGetHandleByIndex(index): return GPUS[index]
def nvmlDeviceGetUUID(handle): return handle if isinstance(handle, str) else handle[0]
def nvmlDeviceGetMigMode(handle): return (1, 1) if handle[1] else (0, 0)
def nvmlDeviceGetMaxMigDeviceCount(handle): return 7
def nvmlDeviceGetMigDeviceHandleByIndex(handle, index):
    if index >= len(handle[1]): raise NVMLError
    return handle[1][index]
"""
