// SPDX-License-Identifier: GPL-2.0-only
/*
 * udmabuf: a dma-buf made of a memfd's pages. Needs no hardware, and the CPU sees
 * the memory through the memfd's own mapping.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "memory.h"

#define DEVICE		"/dev/udmabuf"
#define SIZE_LIMIT	"/sys/module/udmabuf/parameters/size_limit_mb"

/* The module's limit on one buffer in MiB, or -1 where it cannot be read. */
static int size_limit_mb(void)
{
	FILE *f = fopen(SIZE_LIMIT, "re");
	int mb = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%d", &mb) != 1)
		mb = -1;
	fclose(f);
	return mb;
}

static size_t udmabuf_most(void)
{
	int mb = size_limit_mb();

	return mb < 0 ? SIZE_MAX : (size_t)mb << 20;
}

static int open_device(struct why *why)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return why_set(why, -errno, DEVICE " does not exist: CONFIG_UDMABUF is needed; "
			       "where the kernel has it, make the node, or give it to the container");
	if (errno == EACCES || errno == EPERM)
		return why_set(why, -errno, DEVICE ": %s; run as root, or be in the group that "
			       "owns it", strerror(errno));
	return why_set(why, -errno, DEVICE ": %s", strerror(errno));
}

static int explain_create(int err, size_t size, bool huge, struct why *why)
{
	int limit = size_limit_mb();
	size_t mb = (size + (1 << 20) - 1) >> 20;

	if (err == -EINVAL && limit >= 0 && mb > (size_t)limit)
		return why_set(why, err, "one block takes %zu MiB, and udmabuf's size_limit_mb is "
			       "%d; raise it (echo %zu > " SIZE_LIMIT "), or take a smaller bs", mb,
			       limit, mb);
	if (err == -EINVAL && huge)
		return why_set(why, err, "UDMABUF_CREATE: this kernel's udmabuf takes no huge "
			       "pages (hugepages=1)");
	return why_set(why, err, "UDMABUF_CREATE of %zu bytes: %s", size, strerror(-err));
}

static int udmabuf_alloc(struct buffer *buf, const struct want *want, struct why *why)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC };
	int dev, ret;

	dev = open_device(why);
	if (dev < 0)
		return dev;

	ret = memory_memfd.alloc(buf, want, why);
	if (ret)
		goto out;

	create.memfd = buf->memfd;
	create.size = buf->size;
	buf->dmabuf_fd = ioctl(dev, UDMABUF_CREATE, &create);
	if (buf->dmabuf_fd < 0) {
		ret = explain_create(-errno, buf->size, want->huge, why);
		memory_free(buf);
	}
out:
	close(dev);
	return ret;
}

const struct exporter exporter_udmabuf = {
	.name	= "udmabuf",
	.most	= udmabuf_most,
	.alloc	= udmabuf_alloc,
	.free	= memory_free,
};
