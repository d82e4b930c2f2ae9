// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffer objects, driver by driver.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xf86drm.h>

/* these need what the one above includes */
#include <amdgpu_drm.h>
#include <i915_drm.h>
#include <nouveau_drm.h>

#include "drm_gem.h"
#include "drm_uapi.h"

/* A dumb buffer is a picture: rows of one page each, of 32 bits a pixel. */
#define ROW_PIXELS	1024
#define ROW_BYTES	(ROW_PIXELS * 4)

static int call(int fd, unsigned long request, void *arg)
{
	return drmIoctl(fd, request, arg) ? -errno : 0;
}

static int amdgpu_create(int fd, size_t size, bool vram, uint32_t *handle)
{
	union drm_amdgpu_gem_create arg = {
		.in = {
			.bo_size = size,
			.domains = vram ? AMDGPU_GEM_DOMAIN_VRAM : AMDGPU_GEM_DOMAIN_GTT,
			/* where a drive reaches it, too: behind the BAR */
			.domain_flags = AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED,
		},
	};
	int ret = call(fd, DRM_IOCTL_AMDGPU_GEM_CREATE, &arg);

	*handle = arg.out.handle;
	return ret;
}

static int i915_create(int fd, size_t size, bool vram, uint32_t *handle)
{
	struct drm_i915_gem_memory_class_instance region = {
		.memory_class = vram ? I915_MEMORY_CLASS_DEVICE : I915_MEMORY_CLASS_SYSTEM,
	};
	struct drm_i915_gem_create_ext_memory_regions regions = {
		.base.name = I915_GEM_CREATE_EXT_MEMORY_REGIONS,
		.num_regions = 1,
		.regions = (uintptr_t)&region,
	};
	struct drm_i915_gem_create_ext arg = {
		.size = size,
		.extensions = (uintptr_t)&regions,
	};
	int ret = call(fd, DRM_IOCTL_I915_GEM_CREATE_EXT, &arg);

	*handle = arg.handle;
	return ret;
}

static int nouveau_create(int fd, size_t size, bool vram, uint32_t *handle)
{
	struct drm_nouveau_gem_new arg = {
		.info.size = size,
		.info.domain = vram ? NOUVEAU_GEM_DOMAIN_VRAM | NOUVEAU_GEM_DOMAIN_MAPPABLE :
			       NOUVEAU_GEM_DOMAIN_GART,
	};
	int ret = call(fd, DRM_IOWR(DRM_COMMAND_BASE + DRM_NOUVEAU_GEM_NEW,
				    struct drm_nouveau_gem_new), &arg);

	*handle = arg.info.handle;
	return ret;
}

/* The first region of a kind: asked for twice, for the size of the answer and for the answer. */
static int xe_region(int fd, bool vram, struct xe_mem_region *region)
{
	struct xe_device_query query = { .query = XE_QUERY_MEM_REGIONS };
	struct xe_mem_regions *all;
	int ret;

	ret = call(fd, XE_IOCTL_QUERY, &query);
	if (ret)
		return ret;
	all = calloc(1, query.size);
	if (!all)
		return -ENOMEM;
	query.data = (uintptr_t)all;
	ret = call(fd, XE_IOCTL_QUERY, &query);
	if (!ret)
		ret = -ENODEV;
	for (uint32_t i = 0; ret == -ENODEV && i < all->nr; i++) {
		if ((all->regions[i].mem_class == XE_CLASS_VRAM) != vram)
			continue;
		*region = all->regions[i];
		ret = 0;
	}
	free(all);
	return ret;
}

static int xe_create(int fd, size_t size, bool vram, uint32_t *handle)
{
	struct xe_gem_create arg = {
		.flags = vram ? XE_VISIBLE_VRAM : 0,
		.cpu_caching = vram ? XE_CACHING_WC : XE_CACHING_WB,
	};
	struct xe_mem_region region;
	int ret;

	ret = xe_region(fd, vram, &region);
	if (ret)
		return ret;
	arg.placement = 1U << region.instance;
	arg.size = (size + region.min_page_size - 1) / region.min_page_size * region.min_page_size;
	ret = call(fd, XE_IOCTL_GEM_CREATE, &arg);
	*handle = arg.handle;
	return ret;
}

static const struct {
	const char *name;
	int (*create)(int fd, size_t size, bool vram, uint32_t *handle);
} drivers[] = {
	{ "amdgpu", amdgpu_create },
	{ "i915", i915_create },
	{ "nouveau", nouveau_create },
	{ "xe", xe_create },
};

static int dumb_create(int fd, size_t size, uint32_t *handle, const char *driver, struct why *why)
{
	struct drm_mode_create_dumb arg = {
		.width = ROW_PIXELS,
		.height = (size + ROW_BYTES - 1) / ROW_BYTES,
		.bpp = 32,
	};
	int ret;

	ret = call(fd, DRM_IOCTL_MODE_CREATE_DUMB, &arg);
	if (ret)
		return why_set(why, ret, "%s: DRM_IOCTL_MODE_CREATE_DUMB of %zu bytes: %s", driver,
			       size, strerror(-ret));
	*handle = arg.handle;
	return 0;
}

static int create(int fd, const char *driver, size_t size, bool vram, uint32_t *handle,
		  struct why *why)
{
	int ret;

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		if (strcmp(drivers[i].name, driver))
			continue;
		ret = drivers[i].create(fd, size, vram, handle);
		if (!ret)
			return 0;
		return why_set(why, ret, "%s: no %zu bytes of drm_memory=%s: %s%s", driver, size,
			       vram ? "vram" : "system", strerror(-ret), vram ? "; a GPU inside "
			       "the processor has only drm_memory=system" : "");
	}
	if (vram)
		return why_set(why, -EOPNOTSUPP, "%s: drm_memory=vram: is for amdgpu, i915, "
			       "nouveau and xe; of other drivers it is not known how", driver);
	if (drmGetNodeTypeFromFd(fd) != DRM_NODE_PRIMARY)
		return why_set(why, -EOPNOTSUPP, "%s: has its memory from its card node only",
			       driver);
	return dumb_create(fd, size, handle, driver, why);
}

int drm_gem_create(int fd, size_t size, bool vram, uint32_t *handle, struct why *why)
{
	drmVersionPtr version = drmGetVersion(fd);
	int ret;

	if (!version)
		return why_set(why, -ENODEV, "is not a DRM device");
	ret = create(fd, version->name, size, vram, handle, why);
	drmFreeVersion(version);
	return ret;
}
