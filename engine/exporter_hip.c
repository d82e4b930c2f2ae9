// SPDX-License-Identifier: GPL-2.0-only
/*
 * HIP: memory of an AMD GPU. Types, values and prototypes are those of hip_runtime_api.h, ROCm 5.6
 * and later. As with CUDA, all of it happens in the process that does the I/O.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "library.h"
#include "memory.h"
#include "shadow.h"

/* hipMemRangeHandleTypeDmaBufFd */
#define HANDLE_DMA_BUF	1

/* In the order of their names below. */
struct hip {
	int (*init)(unsigned int flags);
	const char *(*error_string)(int error);
	int (*set_device)(int device);
	int (*synchronize)(void);
	int (*malloc)(void **address, size_t size);
	int (*free)(void *address);
	int (*address_range)(void **base, size_t *size, void *address);
	int (*export)(void *handle, void *address, size_t size, int type, unsigned long long flags);
	int (*to_device)(void *to, const void *from, size_t len);
	int (*to_host)(void *to, void *from, size_t len);
};

static const char *const files[] = {
	"libamdhip64.so", "libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5", NULL,
};
static const char *const symbols[] = {
	"hipInit", "hipGetErrorString", "hipSetDevice", "hipDeviceSynchronize", "hipMalloc",
	"hipFree", "hipMemGetAddressRange", "hipMemGetHandleForAddressRange", "hipMemcpyHtoD",
	"hipMemcpyDtoH", NULL,
};

_Static_assert(sizeof(struct hip) == (sizeof(symbols) / sizeof(symbols[0]) - 1) * sizeof(void *),
	       "a name for each function");

static const struct library library = {
	.files	 = files,
	.symbols = symbols,
	.remedy	 = "install ROCm's HIP runtime, 5.6 or later, and what it depends on",
};

struct gpu {
	struct hip hip;
	char *address;
	size_t size;
};

static int failed(const struct gpu *gpu, int error, const char *what, struct why *why)
{
	return why_set(why, -EIO, "%s: %s (%d)", what, gpu->hip.error_string(error), error);
}

#define NAME(function)	symbols[offsetof(struct hip, function) / sizeof(void *)]

/* Each call's error with the name of the call. */
#define CALL(gpu, why, function, ...)						\
({										\
	int error_ = (gpu)->hip.function(__VA_ARGS__);				\
	error_ ? failed(gpu, error_, NAME(function), why) : 0;		\
})

static int copy_in(struct buffer *buf, size_t at, size_t len, struct why *why)
{
	struct gpu *gpu = buf->device;
	int ret;

	ret = CALL(gpu, why, to_device, gpu->address + at, (char *)buf->cpu + at, len);
	/* as with CUDA: the drive must not be first */
	return ret ? ret : CALL(gpu, why, synchronize);
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

static void hip_free(struct buffer *buf)
{
	struct gpu *gpu = buf->device;

	if (gpu) {
		if (gpu->address)
			gpu->hip.free(gpu->address);
		free(gpu);
	}
	memory_free(buf);
}

/* What is exported is the allocation that the memory is in: it must be no other's, and no more. */
static int check_export(struct gpu *gpu, int fd, struct why *why)
{
	size_t size = 0;
	void *base = NULL;
	off_t has;
	int ret;

	ret = CALL(gpu, why, address_range, &base, &size, gpu->address);
	if (ret)
		return ret;
	has = lseek(fd, 0, SEEK_END);
	if (base == gpu->address && size >= gpu->size && has >= (off_t)gpu->size)
		return 0;
	return why_set(why, -EINVAL, "the dma-buf is not that of the memory: %zu bytes at %p were "
		       "allocated, it has %lld, and the allocation %zu at %p", gpu->size,
		       (void *)gpu->address, (long long)has, size, base);
}

static int allocate(struct gpu *gpu, const struct want *want, int *fd, struct why *why)
{
	void *address;
	int ret;

	ret = CALL(gpu, why, init, 0);
	if (ret)
		return ret;
	ret = gpu->hip.set_device(want->gpu);
	if (ret)
		return why_set(why, -ENODEV, "gpu_dev_ids: no GPU %u: %s (%d)", want->gpu,
			       gpu->hip.error_string(ret), ret);
	ret = CALL(gpu, why, malloc, &address, gpu->size);
	if (ret)
		return ret;
	gpu->address = address;
	ret = CALL(gpu, why, export, fd, gpu->address, gpu->size, HANDLE_DMA_BUF, 0);
	if (ret)
		return ret;
	return check_export(gpu, *fd, why);
}

static int hip_alloc(struct buffer *buf, const struct want *want, struct why *why)
{
	size_t size = memory_pages(want->size);
	struct gpu *gpu;
	int ret;

	gpu = calloc(1, sizeof(*gpu));
	if (!gpu)
		return why_set(why, -ENOMEM, "no memory");
	buf->device = gpu;
	/* small pieces may share an allocation */
	gpu->size = (size + MEMORY_ALIGN - 1) / MEMORY_ALIGN * MEMORY_ALIGN;
	ret = library_load(&library, (void **)&gpu->hip, why);
	if (!ret)
		ret = allocate(gpu, want, &buf->dmabuf_fd, why);
	if (!ret)
		ret = shadow_memory(buf, size, &copier, why);
	if (ret)
		hip_free(buf);
	return ret;
}

const struct exporter exporter_hip = {
	.name	 = "hip",
	.library = &library,
	.alloc	 = hip_alloc,
	.free	 = hip_free,
};
