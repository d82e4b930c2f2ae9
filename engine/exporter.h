/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a pool's memory comes from. A source knows nothing of fio or io_uring.
 */
#ifndef FIO_DMABUF_EXPORTER_H
#define FIO_DMABUF_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>

#include "why.h"

struct copier;
struct library;

/**
 * struct buffer - a stretch of memory
 * @cpu: its CPU view; aligned to 2 MiB
 * @size: its size, whole pages
 * @memfd: the memory file behind it, or -1
 * @dmabuf_fd: the dma-buf that names it for devices, or -1
 * @copier: NULL where @cpu is the memory itself, as devices see it. Else @cpu is a shadow of it in
 *          ordinary memory, and this brings one in line with the other
 * @device: what @copier knows the memory by
 * @node: for drm, the device's node that it is of, else empty
 */
struct buffer {
	void *cpu;
	size_t size;
	int memfd;
	int dmabuf_fd;
	const struct copier *copier;
	void *device;
	char node[64];
};

#define BUFFER_NONE	((struct buffer){ .memfd = -1, .dmabuf_fd = -1 })

/**
 * struct copier - how a buffer and its shadow are kept in line
 * @in: copy @len bytes at @at from the shadow to the memory, which devices then see. Returns 0 or a
 *      negative errno and says why
 * @out: likewise, from the memory to the shadow
 */
struct copier {
	int (*in)(struct buffer *buf, size_t at, size_t len, struct why *why);
	int (*out)(struct buffer *buf, size_t at, size_t len, struct why *why);
};

/**
 * struct want - the memory that is asked for
 * @size: bytes, at least
 * @huge: of huge pages
 * @piece: which one of a pool's buffers it is
 * @heap: for dma_heap, the heap's name
 * @dmabuf_fd: for fd, the dma-buf
 * @drm_device: for drm, the device's node, or NULL for any; a pool is of one
 * @vram: for drm, of the device's own memory
 * @gpu: for cuda and hip, the GPU's number
 * @p2pmem_device: for p2pmem, the PCI address of the device with the memory, or NULL for any
 */
struct want {
	size_t size;
	bool huge;
	unsigned int piece;
	const char *heap;
	int dmabuf_fd;
	const char *drm_device;
	bool vram;
	unsigned int gpu;
	const char *p2pmem_device;
};

/**
 * struct exporter - one kind of memory, and how it is had
 * @name: what the user calls it
 * @library: that it loads for this, or NULL
 * @most: bytes that one buffer can have, where that has a limit of its own
 * @alloc: allocate what is wanted, all of it present, into @buf, which is BUFFER_NONE before and
 *         after a failure. Returns 0 or a negative errno and says why
 * @free: give it back; @buf is BUFFER_NONE afterwards, and may be before
 */
struct exporter {
	const char *name;
	const struct library *library;
	size_t (*most)(void);
	int (*alloc)(struct buffer *buf, const struct want *want, struct why *why);
	void (*free)(struct buffer *buf);
};

/* Memory of the control arms: an exporter of no dma-buf. */
extern const struct exporter memory_memfd;
extern const struct exporter memory_anon;
extern const struct exporter memory_p2pmem;

/* Exporters of dma-bufs. */
extern const struct exporter exporter_cuda;
extern const struct exporter exporter_dma_heap;
extern const struct exporter exporter_drm;
extern const struct exporter exporter_fd;
extern const struct exporter exporter_hip;
extern const struct exporter exporter_udmabuf;

#endif
