// SPDX-License-Identifier: GPL-2.0-only
/*
 * DRM: memory of a graphics driver, exported by PRIME. The dma-buf keeps it, and nothing else of
 * the device stays open.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "drm_gem.h"
#include "memory.h"
#include "shadow.h"

#define FOLDER	"/dev/dri"

/* The dma-buf of a new object of @size bytes. */
static int export(int node, size_t size, bool vram, struct why *why)
{
	struct drm_gem_close gone = { 0 };
	int fd, ret;

	ret = drm_gem_create(node, size, vram, &gone.handle, why);
	if (ret)
		return ret;
	if (drmPrimeHandleToFD(node, gone.handle, DRM_CLOEXEC | DRM_RDWR, &fd))
		fd = why_set(why, -errno, "drmPrimeHandleToFD: %s", strerror(errno));
	drmIoctl(node, DRM_IOCTL_GEM_CLOSE, &gone);
	return fd;
}

static int alloc_from(const char *path, struct buffer *buf, size_t size, bool vram, struct why *why)
{
	struct why reason;
	int node, ret;

	node = open(path, O_RDWR | O_CLOEXEC);
	if (node < 0 && (errno == EACCES || errno == EPERM))
		return why_set(why, -errno, "%s: %s; run as root, or be in the group that owns it",
			       path, strerror(errno));
	if (node < 0)
		return why_set(why, -errno, "%s: %s", path, strerror(errno));
	buf->dmabuf_fd = export(node, size, vram, &reason);
	close(node);
	if (buf->dmabuf_fd < 0) {
		ret = why_set(why, buf->dmabuf_fd, "%s: %s", path, reason.text);
		*buf = BUFFER_NONE;
		return ret;
	}
	ret = shadow_dmabuf(buf, size, why);
	if (ret)
		shadow_free(buf);
	else
		snprintf(buf->node, sizeof(buf->node), "%s", path);
	return ret;
}

static int is_node(const struct dirent *entry)
{
	return !strncmp(entry->d_name, "card", 4) || !strncmp(entry->d_name, "renderD", 7);
}

/* Render nodes first: one needs fewer rights for them, and is in nobody's way. */
static int render_first(const struct dirent **a, const struct dirent **b)
{
	return (*a)->d_name[0] != (*b)->d_name[0] ? (*b)->d_name[0] - (*a)->d_name[0] :
	       versionsort(a, b);
}

/* The first that does; the reason is that of the last that does not. */
static int alloc_from_any(struct buffer *buf, size_t size, bool vram, struct why *why)
{
	struct dirent **names;
	struct why reason;
	int nr, ret = -ENODEV;

	nr = scandir(FOLDER, &names, is_node, render_first);
	if (nr <= 0)
		return why_set(why, -ENODEV, FOLDER " has no device: a graphics driver is needed "
			       "(modprobe vgem, where there is no GPU)");
	for (int i = 0; i < nr && ret; i++) {
		char path[sizeof(FOLDER) + sizeof(names[i]->d_name) + 1];

		snprintf(path, sizeof(path), FOLDER "/%s", names[i]->d_name);
		ret = alloc_from(path, buf, size, vram, &reason);
	}
	if (ret)
		why_set(why, ret, "none of the %d nodes in " FOLDER " can be used, the last "
			"one as: %.300s", nr, reason.text);
	while (nr--)
		free(names[nr]);
	free(names);
	return ret;
}

static int drm_alloc(struct buffer *buf, const struct want *want, struct why *why)
{
	size_t size = memory_pages(want->size);

	if (want->drm_device)
		return alloc_from(want->drm_device, buf, size, want->vram, why);
	return alloc_from_any(buf, size, want->vram, why);
}

const struct exporter exporter_drm = {
	.name	= "drm",
	.alloc	= drm_alloc,
	.free	= shadow_free,
};
