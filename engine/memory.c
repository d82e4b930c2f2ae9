// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ordinary memory: a sealed memfd, of small or huge pages, and anonymous memory.
 * The memfd is made exactly as udmabuf needs it, so that a control arm and the
 * dma-buf arm differ in nothing but how the kernel is given the same memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

size_t memory_pages(size_t size)
{
	return round_up(size, sysconf(_SC_PAGESIZE));
}

void *memory_reserve(size_t size)
{
	size_t span = size + MEMORY_ALIGN;
	uintptr_t start, at, end;
	void *p;

	/* take more than needed, and give the ends back */
	p = mmap(NULL, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return MAP_FAILED;
	start = (uintptr_t)p;
	at = round_up(start, MEMORY_ALIGN);
	end = at + size;
	if (at > start)
		munmap((void *)start, at - start);
	if (start + span > end)
		munmap((void *)end, start + span - end);
	return (void *)at;
}

void *memory_map(size_t size, int fd)
{
	int flags = MAP_FIXED | MAP_POPULATE | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
	void *at, *p;

	at = memory_reserve(size);
	if (at == MAP_FAILED)
		return MAP_FAILED;
	p = mmap(at, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (p == MAP_FAILED) {
		int err = errno;

		munmap(at, size);
		errno = err;
	}
	return p;
}

void memory_free(struct buffer *buf)
{
	if (buf->cpu)
		munmap(buf->cpu, buf->size);
	if (buf->dmabuf_fd >= 0)
		close(buf->dmabuf_fd);
	if (buf->memfd >= 0)
		close(buf->memfd);
	*buf = BUFFER_NONE;
}

static int explain_huge(int err, size_t size, struct why *why)
{
	size_t page = MEMORY_ALIGN;

	return why_set(why, err, "%zu huge pages of %zu KiB are needed, and there are not as many "
		       "free; reserve them: echo %zu > /sys/kernel/mm/hugepages/hugepages-%zukB/"
		       "nr_hugepages (or more, where others use them too)", size / page, page >> 10,
		       size / page, page >> 10);
}

static int memfd_alloc(struct buffer *buf, const struct want *want, struct why *why)
{
	/* the default can be 1 GiB, which suits no pool: neither its size nor its address */
	unsigned int huge = want->huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0;
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | huge;
	size_t size = huge ? round_up(want->size, MEMORY_ALIGN) : memory_pages(want->size);
	int ret;

	buf->memfd = memfd_create("fio-dmabuf", flags);
	if (buf->memfd < 0) {
		ret = why_set(why, -errno, "memfd_create%s: %s",
			      huge ? "(MFD_HUGETLB | MFD_HUGE_2MB)" : "", strerror(errno));
		goto fail;
	}

	if (ftruncate(buf->memfd, size)) {
		ret = why_set(why, -errno, "ftruncate of a memfd to %zu bytes: %s", size,
			      strerror(errno));
		goto fail;
	}
	if (fcntl(buf->memfd, F_ADD_SEALS, F_SEAL_SHRINK)) {
		ret = why_set(why, -errno, "F_ADD_SEALS on a memfd: %s", strerror(errno));
		goto fail;
	}

	buf->cpu = memory_map(size, buf->memfd);
	if (buf->cpu == MAP_FAILED) {
		buf->cpu = NULL;
		if (huge && errno == ENOMEM)
			ret = explain_huge(-errno, size, why);
		else
			ret = why_set(why, -errno, "mmap of %zu bytes of a memfd: %s", size,
				      strerror(errno));
		goto fail;
	}
	buf->size = size;
	return 0;
fail:
	memory_free(buf);
	return ret;
}

static int anon_alloc(struct buffer *buf, const struct want *want, struct why *why)
{
	size_t size = memory_pages(want->size);

	buf->cpu = memory_map(size, -1);
	if (buf->cpu == MAP_FAILED) {
		buf->cpu = NULL;
		return why_set(why, -errno, "mmap of %zu bytes: %s", size, strerror(errno));
	}
	buf->size = size;
	return 0;
}

const struct exporter memory_memfd = {
	.name	= "memfd",
	.alloc	= memfd_alloc,
	.free	= memory_free,
};

const struct exporter memory_anon = {
	.name	= "anon",
	.alloc	= anon_alloc,
	.free	= memory_free,
};
