// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's dma-buf heaps: `system`, of pages in large chunks, and those of contiguous memory
 * that a machine sets aside (cma).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"

#define FOLDER		"/dev/dma_heap"
/* The system heap's pieces, as far as it finds them: system_heap.c, orders[] (Linux 6.12). */
#define LARGE_PIECE	(1UL << 20)
#define MEDIUM_PIECE	(64UL << 10)

static int explain_no_heap(const char *heap, struct why *why)
{
	char names[256] = "";
	size_t len = 0;
	struct dirent *entry;
	DIR *dir;

	dir = opendir(FOLDER);
	if (!dir)
		return why_set(why, -ENOENT, FOLDER " does not exist: CONFIG_DMABUF_HEAPS is "
			       "needed, and CONFIG_DMABUF_HEAPS_SYSTEM");
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && len < sizeof(names))
			len += snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "",
					entry->d_name);
	}
	closedir(dir);
	return why_set(why, -ENOENT, "heap=%s: there is no such heap; there is: %s", heap,
		       len ? names : "none");
}

static int open_heap(const char *heap, struct why *why)
{
	char path[256];
	int fd;

	if (!*heap || strchr(heap, '/') ||
	    snprintf(path, sizeof(path), FOLDER "/%s", heap) >= (int)sizeof(path))
		return why_set(why, -EINVAL, "heap=%s: is not the name of a file in " FOLDER, heap);

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return explain_no_heap(heap, why);
	if (errno == EACCES || errno == EPERM)
		return why_set(why, -errno, "%s: %s; run as root, or be in the group that owns it",
			       path, strerror(errno));
	return why_set(why, -errno, "%s: %s", path, strerror(errno));
}

static int explain_alloc(int err, const char *heap, size_t size, struct why *why)
{
	if (err == -ENOMEM)
		return why_set(why, err, "heap=%s: has no memory for %zu bytes; take less iodepth "
			       "or bs, or another heap", heap, size);
	return why_set(why, err, "heap=%s: DMA_HEAP_IOCTL_ALLOC of %zu bytes: %s", heap, size,
		       strerror(-err));
}

/*
 * Without an IOMMU each piece is a DMA segment, and a drive's limit on segments is reckoned by the
 * smallest one of a buffer (the last does not count). So none is to be left for small pages.
 */
static size_t whole_pieces(size_t size)
{
	size_t piece = size > LARGE_PIECE ? LARGE_PIECE : MEDIUM_PIECE;

	return (size + piece - 1) / piece * piece;
}

/*
 * The CPU's view is the dma-buf's own memory, and its accesses are not bracketed:
 * DMA_BUF_IOCTL_SYNC is of all of a dma-buf, with other units of the pool in flight. Where
 * memory is bounced, its end of a write copies the CPU's view of all of them to where the drive
 * works, over what a read has just brought for one. Where DMA is coherent and nothing is
 * bounced, it does nothing. It is not missed: the drive's driver synchronises each request's
 * part, where needed.
 */
static int dma_heap_alloc(struct buffer *buf, const struct want *want, struct why *why)
{
	struct dma_heap_allocation_data data = {
		.len = whole_pieces(want->size),
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int heap, ret = 0;
	void *cpu;

	heap = open_heap(want->heap, why);
	if (heap < 0)
		return heap;

	if (ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data)) {
		ret = explain_alloc(-errno, want->heap, data.len, why);
		goto out;
	}
	buf->dmabuf_fd = data.fd;

	cpu = memory_map(data.len, buf->dmabuf_fd);
	if (cpu == MAP_FAILED) {
		ret = why_set(why, -errno, "heap=%s: mmap of %llu bytes: %s", want->heap,
			      (unsigned long long)data.len, strerror(errno));
		memory_free(buf);
		goto out;
	}
	buf->cpu = cpu;
	buf->size = data.len;
out:
	close(heap);
	return ret;
}

const struct exporter exporter_dma_heap = {
	.name	= "dma_heap",
	.alloc	= dma_heap_alloc,
	.free	= memory_free,
};
