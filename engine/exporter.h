/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a pool's memory comes from. A source knows nothing of fio or io_uring.
 */
#ifndef FIO_DMABUF_EXPORTER_H
#define FIO_DMABUF_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>

#include "why.h"

/**
 * struct buffer - a stretch of memory
 * @cpu: its CPU view; aligned to 2 MiB
 * @size: its size, whole pages
 * @memfd: the memory file behind it, or -1
 * @dmabuf_fd: the dma-buf that names it for devices, or -1
 */
struct buffer {
	void *cpu;
	size_t size;
	int memfd;
	int dmabuf_fd;
};

#define BUFFER_NONE	((struct buffer){ .memfd = -1, .dmabuf_fd = -1 })

/**
 * struct want - the memory that is asked for
 * @size: bytes, at least
 * @huge: of huge pages
 * @heap: for dma_heap, the heap's name
 */
struct want {
	size_t size;
	bool huge;
	const char *heap;
};

/**
 * struct exporter - one kind of memory, and how it is had
 * @name: what the user calls it
 * @most: bytes that one buffer can have, where that has a limit of its own
 * @alloc: allocate what is wanted, all of it present, into @buf, which is BUFFER_NONE before and
 *         after a failure. Returns 0 or a negative errno and says why
 * @free: give it back; @buf is BUFFER_NONE afterwards, and may be before
 */
struct exporter {
	const char *name;
	size_t (*most)(void);
	int (*alloc)(struct buffer *buf, const struct want *want, struct why *why);
	void (*free)(struct buffer *buf);
};

/* Ordinary memory, for the control arms: an exporter of no dma-buf. */
extern const struct exporter memory_memfd;
extern const struct exporter memory_anon;

/* Exporters of dma-bufs. */
extern const struct exporter exporter_dma_heap;
extern const struct exporter exporter_udmabuf;

#endif
