// SPDX-License-Identifier: GPL-2.0-only
/*
 * CUDA: memory of an NVIDIA GPU, from the driver's virtual-memory calls, which export reliably
 * (cuMemAlloc()'s does not always). Types, values and prototypes are those of cuda.h, version 11.7
 * and later. All of it happens in the process that does the I/O: a context does not survive fork().
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "library.h"
#include "memory.h"
#include "shadow.h"

/* CUdevice_attribute */
#define ATTR_RDMA_WITH_VMM	110
#define ATTR_DMA_BUF		124
/* CU_MEM_ALLOCATION_TYPE_PINNED, CU_MEM_LOCATION_TYPE_DEVICE, CU_MEM_ACCESS_FLAGS_PROT_READWRITE */
#define TYPE_PINNED		1
#define LOCATION_DEVICE		1
#define ACCESS_READWRITE	3
/* CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD */
#define HANDLE_DMA_BUF		1

struct location {
	int type;
	int id;
};

/* CUmemAllocationProp */
struct allocation {
	int type;
	int handle_types;
	struct location location;
	void *win32;
	unsigned char compression;
	unsigned char rdma;
	unsigned short usage;
	unsigned char reserved[4];
};

/* CUmemAccessDesc */
struct access {
	struct location location;
	int flags;
};

_Static_assert(sizeof(struct allocation) == 32, "CUmemAllocationProp");
_Static_assert(sizeof(struct access) == 12, "CUmemAccessDesc");

/* In the order of their names below. */
struct cuda {
	int (*init)(unsigned int flags);
	int (*error_string)(int error, const char **text);
	int (*device_get)(int *device, int ordinal);
	int (*device_attribute)(int *value, int attribute, int device);
	int (*context_retain)(void **context, int device);
	int (*context_release)(int device);
	int (*context_set)(void *context);
	int (*context_sync)(void);
	int (*granularity)(size_t *size, const struct allocation *prop, int option);
	int (*create)(uint64_t *handle, size_t size, const struct allocation *prop, uint64_t flags);
	int (*release)(uint64_t handle);
	int (*reserve)(uint64_t *address, size_t size, size_t align, uint64_t at, uint64_t flags);
	int (*unreserve)(uint64_t address, size_t size);
	int (*map)(uint64_t address, size_t size, size_t at, uint64_t handle, uint64_t flags);
	int (*unmap)(uint64_t address, size_t size);
	int (*set_access)(uint64_t address, size_t size, const struct access *access, size_t nr);
	int (*export)(void *handle, uint64_t address, size_t size, int type, uint64_t flags);
	int (*to_device)(uint64_t to, const void *from, size_t len);
	int (*to_host)(void *to, uint64_t from, size_t len);
};

static const char *const files[] = { "libcuda.so.1", NULL };
static const char *const symbols[] = {
	"cuInit", "cuGetErrorString", "cuDeviceGet", "cuDeviceGetAttribute",
	"cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2", "cuCtxSetCurrent",
	"cuCtxSynchronize", "cuMemGetAllocationGranularity", "cuMemCreate", "cuMemRelease",
	"cuMemAddressReserve", "cuMemAddressFree", "cuMemMap", "cuMemUnmap", "cuMemSetAccess",
	"cuMemGetHandleForAddressRange", "cuMemcpyHtoD_v2", "cuMemcpyDtoH_v2", NULL,
};

_Static_assert(sizeof(struct cuda) == (sizeof(symbols) / sizeof(symbols[0]) - 1) * sizeof(void *),
	       "a name for each function");

static const struct library library = {
	.files	 = files,
	.symbols = symbols,
	.remedy	 = "install NVIDIA's driver, 515 or later, with its open kernel modules, and "
		  "what it depends on",
};

/* The memory of one buffer; what is not there yet is 0. */
struct gpu {
	struct cuda cuda;
	int device;
	bool retained;
	uint64_t handle;
	uint64_t address;
	bool mapped;
	size_t size;
};

static int failed(const struct gpu *gpu, int error, const char *what, struct why *why)
{
	const char *text = NULL;

	gpu->cuda.error_string(error, &text);
	return why_set(why, -EIO, "%s: %s (%d)", what, text ? text : "unknown error", error);
}

#define NAME(function)	symbols[offsetof(struct cuda, function) / sizeof(void *)]

/* Each call's error with the name of the call. */
#define CALL(gpu, why, function, ...)						\
({										\
	int error_ = (gpu)->cuda.function(__VA_ARGS__);				\
	error_ ? failed(gpu, error_, NAME(function), why) : 0;		\
})

static int copy_in(struct buffer *buf, size_t at, size_t len, struct why *why)
{
	struct gpu *gpu = buf->device;
	int ret;

	ret = CALL(gpu, why, to_device, gpu->address + at, (char *)buf->cpu + at, len);
	/* it may return when the data is on its way, and the drive must not be first */
	return ret ? ret : CALL(gpu, why, context_sync);
}

static int copy_out(struct buffer *buf, size_t at, size_t len, struct why *why)
{
	struct gpu *gpu = buf->device;

	return CALL(gpu, why, to_host, (char *)buf->cpu + at, gpu->address + at, len);
}

static const struct copier copier = {
	.in	= copy_in,
	.out	= copy_out,
};

static void cuda_free(struct buffer *buf)
{
	struct gpu *gpu = buf->device;

	if (gpu) {
		if (gpu->mapped)
			gpu->cuda.unmap(gpu->address, gpu->size);
		if (gpu->address)
			gpu->cuda.unreserve(gpu->address, gpu->size);
		if (gpu->handle)
			gpu->cuda.release(gpu->handle);
		if (gpu->retained)
			gpu->cuda.context_release(gpu->device);
		free(gpu);
	}
	memory_free(buf);
}

static int open_device(struct gpu *gpu, unsigned int ordinal, bool *rdma, struct why *why)
{
	int ret, has = 0;
	void *context;

	ret = CALL(gpu, why, init, 0);
	if (ret)
		return ret;
	ret = gpu->cuda.device_get(&gpu->device, ordinal);
	if (ret) {
		struct why reason;

		failed(gpu, ret, NAME(device_get), &reason);
		return why_set(why, -ENODEV, "gpu_dev_ids: no GPU %u: %.300s", ordinal,
			       reason.text);
	}
	ret = CALL(gpu, why, device_attribute, &has, ATTR_DMA_BUF, gpu->device);
	if (ret)
		return ret;
	if (!has)
		return why_set(why, -EOPNOTSUPP, "GPU %u cannot export dma-bufs: NVIDIA's open "
			       "kernel modules are needed, and a GPU that they support", ordinal);
	ret = CALL(gpu, why, device_attribute, &has, ATTR_RDMA_WITH_VMM, gpu->device);
	if (ret)
		return ret;
	*rdma = has;
	ret = CALL(gpu, why, context_retain, &context, gpu->device);
	if (ret)
		return ret;
	gpu->retained = true;
	return CALL(gpu, why, context_set, context);
}

static int allocate(struct gpu *gpu, size_t size, bool rdma, struct why *why)
{
	struct location here = { LOCATION_DEVICE, gpu->device };
	struct allocation prop = { .type = TYPE_PINNED, .location = here, .rdma = rdma };
	struct access access = { .location = here, .flags = ACCESS_READWRITE };
	uint64_t handle, address;
	size_t unit = 0;
	int ret;

	ret = CALL(gpu, why, granularity, &unit, &prop, 0);
	if (ret)
		return ret;
	gpu->size = (size + unit - 1) / unit * unit;
	ret = CALL(gpu, why, create, &handle, gpu->size, &prop, 0);
	if (ret)
		return ret;
	gpu->handle = handle;
	ret = CALL(gpu, why, reserve, &address, gpu->size, 0, 0, 0);
	if (ret)
		return ret;
	gpu->address = address;
	ret = CALL(gpu, why, map, gpu->address, gpu->size, 0, gpu->handle, 0);
	if (ret)
		return ret;
	gpu->mapped = true;
	return CALL(gpu, why, set_access, gpu->address, gpu->size, &access, 1);
}

static int cuda_alloc(struct buffer *buf, const struct want *want, struct why *why)
{
	size_t size = memory_pages(want->size);
	struct gpu *gpu;
	bool rdma;
	int ret;

	gpu = calloc(1, sizeof(*gpu));
	if (!gpu)
		return why_set(why, -ENOMEM, "no memory");
	buf->device = gpu;
	ret = library_load(&library, (void **)&gpu->cuda, why);
	if (!ret)
		ret = open_device(gpu, want->gpu, &rdma, why);
	if (!ret)
		ret = allocate(gpu, size, rdma, why);
	if (!ret)
		ret = CALL(gpu, why, export, &buf->dmabuf_fd, gpu->address, gpu->size,
			   HANDLE_DMA_BUF, 0);
	if (!ret)
		ret = shadow_memory(buf, size, &copier, why);
	if (ret)
		cuda_free(buf);
	return ret;
}

const struct exporter exporter_cuda = {
	.name	 = "cuda",
	.library = &library,
	.alloc	 = cuda_alloc,
	.free	 = cuda_free,
};
