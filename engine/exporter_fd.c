// SPDX-License-Identifier: GPL-2.0-only
/*
 * A dma-buf that somebody else has made: fio inherits its descriptor from the program that starts
 * it. For exporters that the engine does not know, such as vfio-pci.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "memory.h"
#include "shadow.h"

#define CMDLINE	"/proc/cmdline"

/* The kernel tells a dma-buf from other files in /proc only: "/dmabuf:NAME". */
static bool is_dmabuf(int fd)
{
	static const char prefix[] = "/dmabuf:";
	char link[32], target[64] = "";

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return readlink(link, target, sizeof(target) - 1) > 0 &&
	       !strncmp(target, prefix, strlen(prefix));
}

/* swiotlb=[SLABS,][AREAS,]force, as setup_io_tlb_npages() reads it; in 7.3 more can follow. */
static bool forces(const char *value)
{
	for (int number = 0; number < 2; number++) {
		value += strspn(value, "0123456789");
		value += *value == ',';
	}
	return !strncmp(value, "force", strlen("force"));
}

/*
 * Was this kernel told to bounce all DMA? Guests whose memory is encrypted (SEV, TDX) do so without
 * being told, which is not looked at.
 */
static bool bounced(void)
{
	static const char option[] = "swiotlb=";
	char line[4096], *rest;
	bool force = false;
	size_t len = 0;
	FILE *f;

	f = fopen(CMDLINE, "re");
	if (f) {
		len = fread(line, 1, sizeof(line) - 1, f);
		fclose(f);
	}
	line[len] = '\0';
	for (char *word = strtok_r(line, " \n", &rest); word && strcmp(word, "--");
	     word = strtok_r(NULL, " \n", &rest))
		if (!strncmp(word, option, strlen(option)))
			force |= forces(word + strlen(option));
	return force;
}

/*
 * The CPU's accesses are bracketed, as nobody knows what the exporter needs. That is of all of
 * the dma-buf: where memory is bounced, a heap's end of a write copies it over what a read in
 * flight has brought for another unit.
 */
static int fd_alloc(struct buffer *buf, const struct want *want, struct why *why)
{
	size_t size = memory_pages(want->size);
	int fd = want->dmabuf_fd, ret;
	off_t has;

	if (want->piece)
		return why_set(why, -EFBIG, "dmabuf_fd=%d: the pool takes more than one dma-buf, "
			       "as one may have 2 GiB at most; take less iodepth or bs", fd);
	if (bounced())
		return why_set(why, -EOPNOTSUPP, "dmabuf_fd=%d: this kernel was told to bounce all "
			       "DMA (swiotlb=force in " CMDLINE "), and what the CPU writes to a "
			       "dma-buf may then overwrite what drives have read into it; boot it "
			       "without, or use udmabuf or dma_heap", fd);

	buf->dmabuf_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (buf->dmabuf_fd < 0)
		return why_set(why, -errno, "dmabuf_fd=%d: %s; the program that starts fio has to "
			       "open it, and to let it be inherited (no FD_CLOEXEC)", fd,
			       strerror(errno));
	if (!is_dmabuf(fd)) {
		ret = why_set(why, -EINVAL, "dmabuf_fd=%d: is not a dma-buf", fd);
		goto fail;
	}
	has = lseek(fd, 0, SEEK_END);
	if (has < 0) {
		ret = why_set(why, -errno, "dmabuf_fd=%d: lseek: %s", fd, strerror(errno));
		goto fail;
	}
	if ((size_t)has < size) {
		ret = why_set(why, -ENOSPC, "dmabuf_fd=%d: has %lld bytes, and the pool takes %zu; "
			      "take less iodepth or bs, or a larger dma-buf", fd, (long long)has,
			      size);
		goto fail;
	}
	ret = shadow_dmabuf(buf, size, why);
	if (ret)
		goto fail;
	return 0;
fail:
	shadow_free(buf);
	return ret;
}

const struct exporter exporter_fd = {
	.name	= "fd",
	.alloc	= fd_alloc,
	.free	= shadow_free,
};
