// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the engine calls of libcuda and libamdhip64, for a machine without their GPUs: the memory is
 * a udmabuf, and its "device address" one that the CPU faults at. GPUs 0 and 1 work, GPU 2 cannot
 * export, there is no other; the second one says when it is used.
 */
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define FAR	(1ULL << 62)	/* no address of user space */

static _Thread_local struct {
	int device, retained, current, reserved, mapped, accessed, memfd;
	size_t size;
	char *cpu;
} gpu;

static int leave(int result)
{
	if (result)
		fprintf(stderr, "stub: called out of turn\n");
	return result;
}

/* What was set up does not survive a fork. */
static pid_t process;

static int init(unsigned int flags)
{
	if (process && process != getpid())
		return leave(1);
	process = getpid();
	return leave(flags);
}

static int make(size_t size)
{
	if (gpu.cpu || process != getpid())
		return 1;
	gpu.memfd = memfd_create("stub", MFD_ALLOW_SEALING);
	if (gpu.memfd < 0 || ftruncate(gpu.memfd, size) ||
	    fcntl(gpu.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return 1;
	gpu.cpu = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, gpu.memfd, 0);
	gpu.size = size;
	return gpu.cpu == MAP_FAILED;
}

static int unmake(void)
{
	if (!gpu.cpu || close(gpu.memfd) || munmap(gpu.cpu, gpu.size))
		return 1;
	gpu.cpu = NULL;
	return 0;
}

static int export(int *fd, uint64_t address, size_t size)
{
	struct udmabuf_create create = { .memfd = gpu.memfd, .size = size };
	int dev = open("/dev/udmabuf", O_RDWR);

	if (address != FAR || size != gpu.size)
		return 1;
	*fd = ioctl(dev, UDMABUF_CREATE, &create);
	close(dev);
	return *fd < 0;
}

static int inside(uint64_t address, size_t len)
{
	return address >= FAR && address - FAR + len <= gpu.size;
}

int cuInit(unsigned int flags) { return init(flags); }
int cuGetErrorString(int error, const char **text)
{
	*text = error == 101 ? "invalid device ordinal" : "stub";
	return 0;
}
int cuDeviceGet(int *device, int ordinal)
{
	*device = gpu.device = ordinal;
	if (ordinal == 1)
		fprintf(stderr, "stub: GPU 1\n");
	return ordinal > 2 ? 101 : 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device)
{
	*value = attribute == 110 || (attribute == 124 && device != 2);
	return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device)
{
	*context = &gpu;
	gpu.retained++;
	return leave(device != gpu.device);
}
int cuDevicePrimaryCtxRelease_v2(int device)
{
	return leave(device != gpu.device || --gpu.retained || gpu.cpu);
}
int cuCtxSetCurrent(void *context) { gpu.current = context == &gpu; return leave(!gpu.current); }
int cuCtxSynchronize(void) { return leave(!gpu.current); }
int cuMemGetAllocationGranularity(size_t *size, const void *prop, int option)
{
	(void)prop;
	*size = 2 << 20;
	return leave(option);
}
int cuMemCreate(uint64_t *handle, size_t size, const int *prop, uint64_t flags)
{
	*handle = 7;
	/* pinned memory of this device, with RDMA */
	return leave(flags || size % (2 << 20) || prop[0] != 1 || prop[2] != 1 ||
		     prop[3] != gpu.device || ((const char *)prop)[25] != 1 || make(size));
}
int cuMemRelease(uint64_t handle) { return leave(handle != 7 || gpu.reserved || unmake()); }
int cuMemAddressReserve(uint64_t *address, size_t size, size_t align, uint64_t at, uint64_t flags)
{
	*address = FAR;
	return leave(gpu.reserved++ || size != gpu.size || align || at || flags);
}
int cuMemAddressFree(uint64_t address, size_t size)
{
	return leave(--gpu.reserved || gpu.mapped || address != FAR || size != gpu.size);
}
int cuMemMap(uint64_t address, size_t size, size_t at, uint64_t handle, uint64_t flags)
{
	return leave(gpu.mapped++ || address != FAR || size != gpu.size || at || handle != 7 ||
		     flags);
}
int cuMemUnmap(uint64_t address, size_t size)
{
	gpu.accessed = 0;
	return leave(--gpu.mapped || address != FAR || size != gpu.size);
}
int cuMemSetAccess(uint64_t address, size_t size, const int *access, size_t nr)
{
	gpu.accessed = 1;
	return leave(!gpu.mapped || address != FAR || size != gpu.size || nr != 1 ||
		     access[0] != 1 || access[1] != gpu.device || access[2] != 3);
}
int cuMemGetHandleForAddressRange(int *fd, uint64_t address, size_t size, int type, uint64_t flags)
{
	return leave(!gpu.accessed || type != 1 || flags || export(fd, address, size));
}
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t len)
{
	if (!gpu.accessed || !inside(to, len))
		return leave(1);
	memcpy(gpu.cpu + (to - FAR), from, len);
	return 0;
}
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t len)
{
	if (!gpu.accessed || !inside(from, len))
		return leave(1);
	memcpy(to, gpu.cpu + (from - FAR), len);
	return 0;
}

int hipInit(unsigned int flags) { return init(flags); }
const char *hipGetErrorString(int error)
{
	return error == 101 ? "invalid device ordinal" : "stub";
}
int hipSetDevice(int device)
{
	gpu.device = device;
	if (device == 1)
		fprintf(stderr, "stub: GPU 1\n");
	return device > 2 ? 101 : 0;
}
int hipDeviceSynchronize(void) { return leave(!gpu.cpu); }
int hipMalloc(void **address, size_t size)
{
	*address = (void *)FAR;
	return leave(make(size));
}
int hipFree(void *address) { return leave(address != (void *)FAR || unmake()); }
/* GPU 2's memory is a piece of a larger allocation. */
int hipMemGetAddressRange(void **base, size_t *size, void *address)
{
	*base = (char *)address - (gpu.device == 2 ? 4096 : 0);
	*size = gpu.size;
	return 0;
}
int hipMemGetHandleForAddressRange(int *fd, void *address, size_t size, int type,
				   unsigned long long flags)
{
	return leave(type != 1 || flags || export(fd, (uintptr_t)address, size));
}
int hipMemcpyHtoD(void *to, const void *from, size_t len)
{
	if (!inside((uintptr_t)to, len))
		return leave(1);
	memcpy(gpu.cpu + ((uintptr_t)to - FAR), from, len);
	return 0;
}
int hipMemcpyDtoH(void *to, void *from, size_t len)
{
	if (!inside((uintptr_t)from, len))
		return leave(1);
	memcpy(to, gpu.cpu + ((uintptr_t)from - FAR), len);
	return 0;
}
