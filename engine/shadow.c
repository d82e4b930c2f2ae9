// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shadows of mapped dma-bufs.
 */
#include <errno.h>
#include <linux/dma-buf.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "memory.h"
#include "shadow.h"

static int sync_access(struct buffer *buf, uint64_t flags, struct why *why)
{
	struct dma_buf_sync sync = { .flags = flags };
	int ret;

	do
		ret = ioctl(buf->dmabuf_fd, DMA_BUF_IOCTL_SYNC, &sync);
	while (ret && (errno == EINTR || errno == EAGAIN));
	if (ret)
		return why_set(why, -errno, "DMA_BUF_IOCTL_SYNC: %s", strerror(errno));
	return 0;
}

static int copy(struct buffer *buf, void *to, const void *from, size_t len, uint64_t access,
		struct why *why)
{
	int ret;

	if (!buf->device)
		return why_set(why, -EOPNOTSUPP, "the exporter does not let the dma-buf be mapped, "
			       "so the CPU can neither put data into it nor look at it");
	ret = sync_access(buf, DMA_BUF_SYNC_START | access, why);
	if (ret)
		return ret;
	memcpy(to, from, len);
	return sync_access(buf, DMA_BUF_SYNC_END | access, why);
}

static int copy_in(struct buffer *buf, size_t at, size_t len, struct why *why)
{
	return copy(buf, (char *)buf->device + at, (char *)buf->cpu + at, len, DMA_BUF_SYNC_WRITE,
		    why);
}

static int copy_out(struct buffer *buf, size_t at, size_t len, struct why *why)
{
	return copy(buf, (char *)buf->cpu + at, (char *)buf->device + at, len, DMA_BUF_SYNC_READ,
		    why);
}

static const struct copier copier = {
	.in	= copy_in,
	.out	= copy_out,
};

int shadow_memory(struct buffer *buf, size_t size, const struct copier *with, struct why *why)
{
	void *cpu = memory_map(size, -1);

	if (cpu == MAP_FAILED)
		return why_set(why, -errno, "mmap of %zu bytes: %s", size, strerror(errno));
	buf->cpu = cpu;
	buf->size = size;
	buf->copier = with;
	return 0;
}

/* What mmap() says of a dma-buf whose exporter does not have that, or not for the CPU. */
static bool is_refusal(int err)
{
	return err == ENODEV || err == EOPNOTSUPP || err == EACCES || err == EPERM ||
	       err == EINVAL || err == ENOTTY;
}

int shadow_dmabuf(struct buffer *buf, size_t size, struct why *why)
{
	void *device;
	int ret;

	ret = shadow_memory(buf, size, &copier, why);
	if (ret)
		return ret;
	device = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, buf->dmabuf_fd, 0);
	if (device != MAP_FAILED)
		buf->device = device;
	else if (!is_refusal(errno))
		return why_set(why, -errno, "mmap of %zu bytes of the dma-buf: %s", size,
			       strerror(errno));
	return 0;
}

void shadow_free(struct buffer *buf)
{
	if (buf->device)
		munmap(buf->device, buf->size);
	memory_free(buf);
}
