/* A driver library that tells of GPUs which are not there, for tests. It reads the file that WINNOW_TEST_GPUS names:
       init CODE                      the library fails to start with this NVML error
       gpu UUID NAME TOTAL FREE ...   a GPU, memory in MiB; then any of
           mig=UUID,-,UUID            cut by MIG, a dash for a number that is not taken; mig= alone: no instance made
           lost                       listed, and every question to it fails
           mode=N                     its compute mode: 2 prohibited, 3 one process at a time
           cores=MASK                 the CPU cores of its NUMA node, in hexadecimal
           busy=PERCENT  heat=DEGREES its utilisation, its temperature
           CALL!CODE                  one question to it fails with this NVML error, of handle, uuid, name, memory, mode,
                                      mig, parts, cores, capability, shutdown
   An instance has a seventh of its GPU's memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, LOST = 15, GPUS = 32, PARTS = 8, LONGEST = 96, FAULTS = 4 };
typedef unsigned long long bytes;

typedef struct {
    char uuid[LONGEST], name[LONGEST];
    bytes total, free;
    int cut, lost, parts[PARTS], count;
    unsigned mode, busy, heat;
    unsigned long cores;
    char faults[FAULTS][LONGEST];
    int fault_count;
} device;

static device gpus[GPUS], instances[GPUS * PARTS];
static int gpu_count, instance_count, failure;

/* What this question to a GPU comes to: OK, or the error that the file says. */
static int asked(device *of, const char *call) {
    for (int i = 0; i < of->fault_count; i++) {
        char *code = strchr(of->faults[i], '!');
        if (!strncmp(of->faults[i], call, code - of->faults[i])) return atoi(code + 1);
    }
    return of->lost && strcmp(call, "handle") && strcmp(call, "uuid") ? LOST : OK;
}

static void add_parts(device *gpu, char *list) {
    gpu->cut = 1;
    for (char *end, *part = list; part && *part; part = end ? end + 1 : NULL) {
        if ((end = strchr(part, ','))) *end = 0;
        gpu->parts[gpu->count] = -1;
        if (strcmp(part, "-")) {
            device *made = &instances[gpu->parts[gpu->count] = instance_count++];
            *made = (device){.total = gpu->total / 7, .free = gpu->free / 7};
            strncpy(made->uuid, part, LONGEST - 1);
        }
        gpu->count++;
    }
}

static void add_gpu(char *words) {
    device *gpu = &gpus[gpu_count++];
    char *rest = words, *word;
    *gpu = (device){0};
    for (int number = 0; (word = strtok_r(rest, " \n", &rest)); number++) {
        if (number == 0) strncpy(gpu->uuid, word, LONGEST - 1);
        else if (number == 1) strncpy(gpu->name, word, LONGEST - 1);
        else if (number == 2) gpu->total = strtoull(word, NULL, 10) << 20;
        else if (number == 3) gpu->free = strtoull(word, NULL, 10) << 20;
        else if (!strncmp(word, "mig=", 4)) add_parts(gpu, word + 4);
        else if (strchr(word, '!') && gpu->fault_count < FAULTS) strncpy(gpu->faults[gpu->fault_count++], word, LONGEST - 1);
        else if (!strcmp(word, "lost")) gpu->lost = 1;
        else if (!strncmp(word, "mode=", 5)) gpu->mode = atoi(word + 5);
        else if (!strncmp(word, "busy=", 5)) gpu->busy = atoi(word + 5);
        else if (!strncmp(word, "heat=", 5)) gpu->heat = atoi(word + 5);
        else if (!strncmp(word, "cores=", 6)) gpu->cores = strtoul(word + 6, NULL, 16);
    }
}

int nvmlInitWithFlags(unsigned flags) {
    char line[1024];
    const char *path = getenv("WINNOW_TEST_GPUS");
    FILE *file = path ? fopen(path, "r") : NULL;
    (void)flags;
    gpu_count = instance_count = failure = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (!strncmp(line, "init ", 5)) failure = atoi(line + 5);
        if (!strncmp(line, "gpu ", 4) && gpu_count < GPUS) add_gpu(line + 4);
    }
    if (file) fclose(file);
    return failure;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlInit(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return gpu_count ? asked(&gpus[0], "shutdown") : OK; }

const char *nvmlErrorString(int code) {
    switch (code) {
    case NOT_SUPPORTED: return "Not Supported";
    case 4: return "Insufficient Permissions";
    case 10: return "Timeout";
    case 16: return "GPU requires restart";
    case NOT_FOUND: return "Not Found";
    case 9: return "Driver Not Loaded";
    case LOST: return "GPU is lost";
    case 18: return "Driver/library version mismatch";
    }
    return "Unknown Error";
}

int nvmlDeviceGetCount_v2(unsigned *count) { *count = gpu_count; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, device **found) {
    if ((int)index >= gpu_count) return INVALID;
    *found = &gpus[index];
    return asked(&gpus[index], "handle");
}
int nvmlDeviceGetHandleByUUID(const char *uuid, device **found) {
    for (int i = 0; i < gpu_count; i++) if (!strcmp(gpus[i].uuid, uuid)) { *found = &gpus[i]; return OK; }
    for (int i = 0; i < instance_count; i++) if (!strcmp(instances[i].uuid, uuid)) { *found = &instances[i]; return OK; }
    return NOT_FOUND;
}
int nvmlDeviceGetUUID(device *of, char *uuid, unsigned length) {
    strncpy(uuid, of->uuid, length);
    return asked(of, "uuid");
}
int nvmlDeviceGetName(device *of, char *name, unsigned length) {
    strncpy(name, of->name, length);
    return asked(of, "name");
}
int nvmlDeviceGetMemoryInfo(device *of, bytes *told) {
    told[0] = of->total, told[1] = of->free, told[2] = of->total - of->free;
    return asked(of, "memory");
}
int nvmlDeviceGetMigMode(device *of, unsigned *current, unsigned *pending) {
    if (strstr(of->name, "V100")) return NOT_SUPPORTED;
    *current = *pending = of->cut;
    return asked(of, "mig");
}
int nvmlDeviceGetMaxMigDeviceCount(device *of, unsigned *count) { (void)of; *count = 7; return OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(device *of, unsigned index, device **found) {
    if ((int)index >= of->count || of->parts[index] < 0) return NOT_FOUND;
    *found = &instances[of->parts[index]];
    return asked(of, "parts");
}
int nvmlDeviceGetComputeMode(device *of, unsigned *mode) { *mode = of->mode; return asked(of, "mode"); }
int nvmlDeviceGetCpuAffinity(device *of, unsigned words, unsigned long *mask) {
    if (!of->cores) return NOT_SUPPORTED;
    memset(mask, 0, words * sizeof *mask);
    mask[0] = of->cores;
    return asked(of, "cores");
}
int nvmlDeviceGetUtilizationRates(device *of, unsigned *told) {
    if (!of->busy) return NOT_SUPPORTED;
    told[0] = of->busy, told[1] = 0;
    return OK;
}
int nvmlDeviceGetCudaComputeCapability(device *of, int *major, int *minor) {
    *major = strstr(of->name, "V100") ? 7 : 9, *minor = 0;
    return asked(of, "capability");
}
int nvmlDeviceGetTemperature(device *of, int sensor, unsigned *degrees) {
    if (sensor || !of->heat) return NOT_SUPPORTED;
    *degrees = of->heat;
    return OK;
}
